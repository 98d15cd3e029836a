package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A service handles requests in place of a server.
type service func(*http.Request) (*http.Response, error)

func (s service) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func answer(status int, header ...string) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}
	for i := 0; i < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

func drive(s service) *driver {
	d := newDriver([]*user{{owner: "anna"}}, nil)
	d.clients, d.urls = []*http.Client{{Transport: s}}, []string{"http://lab"}
	return d
}

func TestOperations_SharesMatchTargets(t *testing.T) {
	share := map[string]int{}
	for _, op := range operations() {
		switch {
		case op.name == "add":
			share["writes"] += op.share
		case strings.HasSuffix(op.name, "report"):
			share["reports"] += op.share
		case strings.HasPrefix(op.name, "sync"):
			share["sync"] += op.share
		default:
			share["reads"] += op.share
		}
	}
	for kind, want := range map[string]int{"reads": 60, "writes": 30, "reports": 5, "sync": 5} {
		if share[kind] != want {
			t.Errorf("%s are %d %% of the load, want %d", kind, share[kind], want)
		}
	}
}

// TestDrive_StallCountsForEveryDueRequest checks that a stall of one second counts for every request that was due
// during that second (no coordinated omission).
func TestDrive_StallCountsForEveryDueRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := drive(func(*http.Request) (*http.Response, error) {
			if since := time.Since(began); since >= time.Second && since < 2*time.Second {
				time.Sleep(2*time.Second - since)
			}
			return answer(http.StatusOK), nil
		})
		d.run(t.Context(), 100, 4*time.Second)
		waited := 0
		for _, m := range d.timings {
			if m.end.Sub(m.due) >= 500*time.Millisecond {
				waited++
			}
		}
		if len(d.timings) != 400 || waited < 50 || waited > 51 {
			t.Errorf("of %d requests %d waited half a second or more, want 50 of 400", len(d.timings), waited)
		}
		if p99, p50 := d.quantile(99), d.quantile(50); p99 < 900*time.Millisecond || p50 > time.Millisecond {
			t.Errorf("p99 %s, want almost a second; p50 %s, want nothing", p99, p50)
		}
		if n := d.maxInFlight.Load(); n < 99 {
			t.Errorf("at most %d requests under way, want all of a second", n)
		}
	})
}

func TestDrive_ClassifiesResponses(t *testing.T) {
	problem := []string{"Content-Type", "application/problem+json", "Retry-After", "1"}
	for name, c := range map[string]struct {
		status int
		header []string
		err    error
		want   series
	}{
		"right":       {status: http.StatusOK, want: series{ok: 1}},
		"a clear 503": {status: http.StatusServiceUnavailable, header: problem, want: series{refused: 1}},
		"a 503 that names no time": {status: http.StatusServiceUnavailable, header: problem[:2],
			want: series{otherResponses: 1}},
		"a 503 without a problem": {status: http.StatusServiceUnavailable, header: problem[2:],
			want: series{otherResponses: 1}},
		"a 500": {
			status: http.StatusInternalServerError, header: problem, want: series{otherResponses: 1},
		},
		"a 404":                          {status: http.StatusNotFound, header: problem, want: series{otherResponses: 1}},
		"a connection that breaks":       {err: io.ErrUnexpectedEOF, want: series{unanswered: 1}},
		"a 504 of somebody's in between": {status: http.StatusGatewayTimeout, want: series{otherResponses: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(func(*http.Request) (*http.Response, error) {
				if c.err != nil {
					return nil, c.err
				}
				return answer(c.status, c.header...), nil
			})
			status, _, err := d.request(t.Context(), d.users[0], http.MethodGet, "/v1/expenses", nil, "")
			d.record("page", time.Now(), status, err)
			got := *d.sum(nil)
			if got.latency = nil; got != c.want {
				t.Errorf("counted %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestDrive_RepeatsFailedWriteUnchanged checks that a failed write is repeated unchanged until it is acknowledged,
// because the client cannot know whether it was applied.
func TestDrive_RepeatsFailedWriteUnchanged(t *testing.T) {
	for name, op := range map[string]func(context.Context, *driver, *user) (int, error){"add": add, "push": push} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bodies, keys []string
				d := drive(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					bodies, keys = append(bodies, string(body)), append(keys, r.Header.Get("Idempotency-Key"))
					if len(bodies) < 3 {
						return nil, errors.New("the connection broke")
					}
					response := answer(http.StatusOK)
					response.Body = io.NopCloser(
						strings.NewReader(`{"results":[` + strings.Repeat(`{"status":"applied"},`, 9) + `{"status":"applied"}]}`))
					return response, nil
				})
				d.retry = time.Minute
				if _, err := op(t.Context(), d, d.users[0]); !errors.Is(err, errUnanswered) {
					t.Errorf("the operation counts as %v, want what its first try was", err)
				}
				if len(bodies) != 3 || bodies[1] != bodies[0] || bodies[2] != bodies[0] || keys[2] != keys[0] {
					t.Errorf("sent %q under %q, want the same thrice", bodies, keys)
				}
				for _, w := range d.writes {
					if !w.acknowledged || !strings.Contains(bodies[0], `"notes":"`+w.key+`"`) {
						t.Errorf("the write %+v is not acknowledged, or cannot be found again by its notes", *w)
					}
				}
			})
		})
	}
}

func TestApplied_RequiresEveryMutation(t *testing.T) {
	for text, right := range map[string]bool{
		`{"results":[{"status":"applied"},{"status":"applied"}]}`:  true,
		`{"results":[{"status":"applied"}]}`:                       false,
		`{"results":[{"status":"applied"},{"status":"conflict"}]}`: false,
		`{}`:   false,
		`[{}]`: false,
	} {
		if err := applied([]byte(text), 2); (err == nil) != right {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestAudit_FindsLostAndDuplicatedWrites checks that a lost or duplicated write fails the experiment.
func TestAudit_FindsLostAndDuplicatedWrites(t *testing.T) {
	for name, c := range map[string]struct {
		acknowledged bool
		times        int
		pass         bool
	}{
		"acknowledged and there":           {true, 1, true},
		"acknowledged and lost":            {true, 0, false},
		"acknowledged and doubled":         {true, 2, false},
		"never acknowledged and not there": {false, 0, true},
		"never acknowledged, but there":    {false, 1, true},
		"never acknowledged and doubled":   {false, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lab{}
			file := "sqlite:" + filepath.Join(t.TempDir(), "lab.db")
			d := drive(nil)
			d.writes = []*write{{user: d.users[0], key: "one", acknowledged: c.acknowledged}}
			db, err := open(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			if err := addTimes(t.Context(), db, d.users[0].owner, c.times, "one"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := l.checkWrites(t.Context(), d, file); err != nil {
				t.Fatal(err)
			}
			if err := l.result(); (err == nil) != c.pass {
				t.Errorf("the result is %v", err)
			}
		})
	}
}

// addTimes creates a ledger with times expenses of the same notes.
func addTimes(ctx context.Context, db database, owner expense.OwnerID, times int, notes string) error {
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	env := expense.Env{Now: time.Now()}
	if _, err := db.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, env.Now)); err != nil {
		return err
	}
	return db.Update(ctx, owner, func(tx store.Tx) error {
		for range times {
			if _, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "1", Notes: &notes}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestLab_SkippedExperimentFailsCompleteRun(t *testing.T) {
	for complete, pass := range map[bool]bool{false: true, true: false} {
		l := &lab{config: cli{Complete: complete}}
		l.skip("a full disk: %v", errors.ErrUnsupported)
		if err := l.result(); (err == nil) != pass {
			t.Errorf("complete %t: the result is %v", complete, err)
		}
	}
}

func TestDrive_InterruptEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		var sent atomic.Int64
		d := drive(func(r *http.Request) (*http.Response, error) {
			sent.Add(1)
			return nil, fmt.Errorf("nobody listens: %w", r.Context().Err())
		})
		d.retry = time.Hour
		began := time.Now()
		time.AfterFunc(5*time.Second, interrupt)
		d.run(ctx, 10, time.Hour)
		if took := time.Since(began); took != 5*time.Second || sent.Load() == 0 {
			t.Errorf("the load went on for %s, want until the interrupt", took)
		}
	})
}
