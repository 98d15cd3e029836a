package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/httpapi/client"
)

// newHTTPSite returns a device that reaches the site over TCP, and a second device.
func newHTTPSite(t *testing.T, opts ...client.Option) (*site, *client.Client, *client.Client) {
	t.Helper()
	s := newSite(t)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	devices := make([]*client.Client, 2)
	for i := range devices {
		var err error
		devices[i], err = client.New(server.URL, append([]client.Option{client.WithClock(s.now)}, opts...)...)
		must(t, err)
	}
	must(t, devices[0].Register(t.Context(), client.Registration{Credentials: anna}))
	must(t, devices[1].Login(t.Context(), anna))
	return s, devices[0], devices[1]
}

func TestRun_DevicesConverge(t *testing.T) {
	_, phone, tablet := newHTTPSite(t, client.WithPollInterval(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for _, c := range []*client.Client{phone, tablet} {
		go func() { ended <- c.Run(ctx) }()
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what + " does not come to be")
			}
		}
	}
	eventually("a first sync", func() bool { return len(get(tablet.Categories().List(t.Context()))(t)) == 10 })
	for i := range 3 {
		row := get(phone.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: fmt.Sprint(i + 1)}))(t)
		eventually("the phone's expense on the tablet", func() bool {
			_, err := tablet.Expenses().Get(t.Context(), row.ID)
			return err == nil
		})
		must(t, tablet.Expenses().Delete(t.Context(), row.ID))
		eventually("the tablet's deletion on the phone", func() bool {
			_, err := phone.Expenses().Get(t.Context(), row.ID)
			return err != nil
		})
	}
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ends with %v", err)
		}
	}
}

func TestRun_SurvivesCaptivePortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c := s.registered(t, client.NewMemoryStorage())
		row := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"}))(t)
		s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
			if r.URL.Path == "/v1/sync/events" {
				return nil, errLost
			}
			return &http.Response{StatusCode: []int{302, 401, 403, 404, 200}[time.Now().Second()%5],
				Body: io.NopCloser(strings.NewReader("pay"))}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
			if r.URL.Path == "/v1/sync/events" {
				return nil, errLost
			}
			return serve(), nil
		})
		time.Sleep(10 * time.Minute)
		equal(t, "unacknowledged", get(c.Expenses().Get(t.Context(), row.ID))(t).Unacknowledged, false)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run ends with %v", err)
		}
	})
}

// A scriptedStream answers each request for a stream with a text, and then stays silent or ends.
type scriptedStream struct {
	texts        []string
	lastEventIDs []string // the received Last-Event-ID headers
	quiet        bool
}

func (s *scriptedStream) RoundTrip(r *http.Request) (*http.Response, error) {
	s.lastEventIDs = append(s.lastEventIDs, r.Header.Get("Last-Event-ID"))
	if len(s.texts) == 0 {
		return nil, errLost
	}
	text := s.texts[0]
	s.texts = s.texts[1:]
	body := io.Reader(strings.NewReader(text))
	if s.quiet {
		silent, end := io.Pipe()
		context.AfterFunc(r.Context(), func() { end.CloseWithError(r.Context().Err()) })
		body = io.MultiReader(body, silent)
	}
	status := http.StatusOK
	if strings.HasPrefix(text, "429") {
		status = http.StatusTooManyRequests
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(body)}, nil
}

func scripted(t *testing.T, s *scriptedStream) *client.Client {
	t.Helper()
	return get(client.New("https://ledger.example.com",
		client.WithHTTPClient(&http.Client{Transport: s, Timeout: time.Second}),
		client.WithTokens(client.StaticToken("x"))))(t)
}

func TestEvents_ResumesBrokenStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStream{texts: []string{
			"retry: 3000\n\n: hello\n\nevent: changed\nid: one\ndata: one\n\nevent: changed\nid: lost\ndata: lo",
			"429", "event: news\ndata: x\n\n", "event: changed\r\nid: two\r\ndata: two\r\n\r\n",
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var got []string
		begin := time.Now()
		for event, err := range scripted(t, s).Events(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, event.Name+" "+event.Cursor); event.Cursor == "two" {
				break
			}
		}
		equal(t, "events", fmt.Sprint(got), "[changed one news x changed two]")
		equal(t, "Last-Event-IDs", fmt.Sprintf("%q", s.lastEventIDs), `["" "one" "one" "one"]`)
		if took := time.Since(begin); took < 9*time.Second || took > 20*time.Second {
			t.Errorf("three waits of 3 s took %s", took)
		}
	})
}

func TestEvents_ReopensSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedStream{texts: []string{": hello\n\n", "event: changed\ndata: two\n\n"}, quiet: true}
		begin := time.Now()
		for event, err := range scripted(t, s).Events(t.Context()) {
			must(t, err)
			equal(t, "cursor", event.Cursor, "two")
			break
		}
		if took := time.Since(begin); took < 45*time.Second || took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestEvents_RejectsOversizedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := &scriptedStream{texts: []string{
			"event: changed\ndata: " + strings.Repeat("x", 1<<20) + "\n\n",
			strings.Repeat("data: "+strings.Repeat("x", 1<<10)+"\n", 1<<10) + "\n",
		}}
		for event, err := range scripted(t, s).Events(ctx) {
			if err == nil {
				t.Errorf("an event of %d bytes", len(event.Cursor))
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the end: %v", err)
			}
		}
	})
}

// FuzzEvents parses arbitrary bytes. The events must not depend on the line terminators, and memory must be bounded.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"retry: 5000\n\n", ": still here\n\n", "event: changed\nid: abc\ndata: abc\n\n", "\ufeffdata: x\r\rdata: y\r\n\r\n",
		"data\n\ndata\ndata\n\ndata:", "id: \x00\nid\nevent\ndata: \n\n", "id: a\r\ndata: b\n\r\n",
		"retry: 99999999999999999999\nretry: -1\ndata: z\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(text []byte) []client.Event {
			events, err := client.ReadEvents(bytes.NewReader(text))
			if err == nil {
				t.Error("a stream has no end, and that is an error")
			}
			return events
		}
		events := read(text)
		plain := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		if other := read(bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n"))); fmt.Sprint(other) != fmt.Sprint(events) {
			t.Errorf("%q gives %v, and with other line ends %v", text, events, other)
		}
		for _, event := range events {
			if event.Name == "" || len(event.Cursor) > 64<<10 {
				t.Errorf("an event %q of %d bytes", event.Name, len(event.Cursor))
			}
		}
	})
}

// FuzzResponses returns arbitrary responses. A device must not panic, store malformed rows, or lose a queued mutation.
func FuzzResponses(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"changes":[],"cursor":"x","has_more":false}`,
		`{"changes":[{"type":"expense","id":"a","version":1,"data":{}}],"cursor":"x"}`,
		`{"changes":[{"type":"settings","id":"settings","version":1,"data":{"time_zone":7}}],"cursor":"x","has_more":false}`,
		`{"changes":[],"cursor":"x","has_more":true}`, `{"changes":[null],"cursor":"x"}`,
		`{"results":[{"mutation_id":"x","status":"applied"}]}`,
		`{"type":"x","status":410,"code":"cursor_expired"}`, `[`, ``, `null`, `"x"`,
	} {
		f.Add([]byte(seed), 200)
		f.Add([]byte(seed), 410)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		answers := 0
		c, err := client.New("https://ledger.example.com", client.WithTokens(client.StaticToken("x")),
			client.WithMaxAttempts(1),
			client.WithHTTPClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
				if answers++; answers > 10 {
					return nil, errLost
				}
				return &http.Response{
					StatusCode: 100 + abs(status)%500, Body: io.NopCloser(bytes.NewReader(body)),
					Header: http.Header{"Content-Type": {"application/problem+json"},
						"Retry-After": {string(body[:min(9, len(body))])}},
				}, nil
			})}))
		must(t, err)
		row, err := c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"})
		must(t, err)
		_ = c.Sync(t.Context())
		_, _ = c.Verify(t.Context())
		if pending := get(c.QueuedMutations(t.Context()))(t); len(pending) != 1 || pending[0].Key.ID != row.ID.String() {
			rejections := get(c.Rejections(t.Context()))(t)
			if len(rejections) != 1 {
				t.Errorf("the change is neither queued nor rejected: %v", pending)
			}
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
