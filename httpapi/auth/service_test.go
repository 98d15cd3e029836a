package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/memstore"
)

const goodPassword = "four words in a row"

// ledgers records which ledgers exist. It fails while down is set.
type ledgers struct {
	mu   sync.Mutex
	made map[expense.OwnerID]expense.InitialLedger
	down bool

	eraseDown bool
}

func (l *ledgers) CreateLedger(_ context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return false, expense.ErrUnavailable
	}
	_, there := l.made[owner]
	if !there {
		l.made[owner] = ledger
	}
	return !there, nil
}

// count returns the number of ledgers.
func (l *ledgers) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.made)
}

func (l *ledgers) failErasing(fail bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eraseDown = fail
}

func (l *ledgers) EraseLedger(_ context.Context, owner expense.OwnerID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.eraseDown {
		return expense.ErrUnavailable
	}
	delete(l.made, owner)
	return nil
}

// A fixture is a service with its stores.
type fixture struct {
	*auth.Service
	users    *auth.Users
	accounts *failingAccounts
	ledgers  *ledgers
	kek      []byte
	log      *bytes.Buffer
	logger   *slog.Logger
}

// accountStore is embedded in failingAccounts under a name that differs from the method Accounts.
type accountStore = memstore.Accounts

// failingAccounts is an account store that can fail and counts lookups.
type failingAccounts struct {
	*accountStore
	mu           sync.Mutex
	down         bool
	lookups      int          // of devices
	failureCount int          // recorded failures
	reads        atomic.Int32 // number of reads of devices, tokens and keys
	keyReads     atomic.Int32 // reads of the keys
	afterRead    func()       // called once after a device was read and before it is returned
}

func (f *failingAccounts) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *failingAccounts) Token(ctx context.Context, account, id uuid.UUID) (accounts.Token, error) {
	if err := f.failure(); err != nil {
		return accounts.Token{}, err
	}
	return f.accountStore.Token(ctx, account, id)
}

func (f *failingAccounts) failure() error {
	f.reads.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return expense.ErrUnavailable
	}
	return nil
}

func (f *failingAccounts) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	if err := f.failure(); err != nil {
		return accounts.Device{}, err
	}
	f.mu.Lock()
	f.lookups++
	afterRead := f.afterRead
	f.afterRead = nil
	f.mu.Unlock()
	device, err := f.accountStore.Device(ctx, account, id)
	if afterRead != nil {
		afterRead()
	}
	return device, err
}

func (f *failingAccounts) SigningKeys(ctx context.Context) ([]accounts.SigningKey, error) {
	if err := f.failure(); err != nil {
		return nil, err
	}
	f.keyReads.Add(1)
	return f.accountStore.SigningKeys(ctx)
}

func (f *failingAccounts) RecordFailure(ctx context.Context, at, quiet time.Time, keys ...accounts.SecretHash) error {
	f.mu.Lock()
	f.failureCount += len(keys)
	f.mu.Unlock()
	return f.accountStore.RecordFailure(ctx, at, quiet, keys...)
}

func (f *failingAccounts) AccountByEmail(ctx context.Context, email string) (accounts.Account, error) {
	if err := f.failure(); err != nil {
		return accounts.Account{}, err
	}
	return f.accountStore.AccountByEmail(ctx, email)
}

// newFixture returns a fixture whose password hashes are cheap.
func newFixture(t testing.TB, change ...func(*auth.Config)) *fixture {
	t.Helper()
	h := newCostlyFixture(t, change...)
	h.users.UseCheapHashes()
	return h
}

// newCostlyFixture returns a fixture whose password hashes cost what they cost in production.
func newCostlyFixture(t testing.TB, change ...func(*auth.Config)) *fixture {
	t.Helper()
	h := &fixture{
		accounts: &failingAccounts{accountStore: memstore.NewAccounts()},
		ledgers:  &ledgers{made: make(map[expense.OwnerID]expense.InitialLedger)},
		kek:      bytes.Repeat([]byte{7}, auth.KEKSize),
		log:      new(bytes.Buffer),
	}
	// Shared by all instances, because a handler serialises its writes.
	h.logger = slog.New(slog.NewTextHandler(h.log, nil))
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	h.users = auth.NewUsers(h.accounts, h.ledgers, settings, nil)
	h.Service = h.instance(t, change...)
	return h
}

// instance returns another service on the same stores.
func (h *fixture) instance(t testing.TB, change ...func(*auth.Config)) *auth.Service {
	t.Helper()
	config := auth.Config{KEK: h.kek, Logger: h.logger}
	for _, f := range change {
		f(&config)
	}
	service, err := auth.New(t.Context(), h.users, config)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func (h *fixture) register(t testing.TB) auth.Session {
	t.Helper()
	session, err := h.Register(t.Context(), auth.Registration{Email: "ada@example.org", Password: goodPassword})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func request(t testing.TB, authorization ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/me", nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return r
}

func accepts(t testing.TB, authenticator auth.Authenticator, token string) bool {
	t.Helper()
	_, err := authenticator.Authenticate(request(t, "Bearer "+token))
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		t.Fatalf("Authenticate: %v", err)
	}
	return err == nil
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want an error that is %q", what, err, want)
	}
}

func TestRegister(t *testing.T) {
	t.Run("makes an account, its ledger and a session", func(t *testing.T) {
		h := newFixture(t)
		yen := "JPY"
		session, err := h.Register(t.Context(), auth.Registration{
			Email: " Ada@Example.org ", Password: goodPassword, DeviceName: "Phone",
			Settings: expense.SettingsDraft{HomeCurrency: &yen},
		})
		if err != nil {
			t.Fatal(err)
		}
		if session.User.Email != "Ada@Example.org" || session.ExpiresIn != 10*time.Minute {
			t.Errorf("session of %q for %v", session.User.Email, session.ExpiresIn)
		}
		identity, err := h.Authenticate(request(t, "bearer "+session.AccessToken))
		want := auth.Identity{Owner: expense.OwnerID(session.User.ID.String()), Scopes: auth.AllScopes,
			Device: session.Device}
		if err != nil || identity != want {
			t.Errorf("Authenticate = %v, %v, want %v", identity, err, want)
		}
		if home := h.ledgers.made[identity.Owner].Settings.Home; home.Code() != "JPY" {
			t.Errorf("the ledger's home currency is %v, want JPY", home)
		}
		if me, err := h.User(t.Context(), identity); err != nil || me != session.User {
			t.Errorf("User = %v, %v, want %v", me, err, session.User)
		}
		device, err := h.accounts.Device(t.Context(), session.User.ID, session.Device)
		if err != nil || device.Name != "Phone" {
			t.Errorf("device %q, %v, want Phone", device.Name, err)
		}
	})
	t.Run("refuses an address that is taken whatever its case", func(t *testing.T) {
		h := newFixture(t)
		h.register(t)
		_, err := h.Register(t.Context(), auth.Registration{Email: "ADA@EXAMPLE.ORG", Password: goodPassword})
		wantErr(t, "Register", err, expense.ErrExists)
	})
	t.Run("reports every field error at once", func(t *testing.T) {
		h := newFixture(t)
		gold := "XXQ"
		_, err := h.Register(t.Context(), auth.Registration{
			Email: "ada", Password: "short", DeviceName: "a\x00b", Settings: expense.SettingsDraft{HomeCurrency: &gold},
		})
		var fields []string
		for _, e := range expense.InvalidErrors(err) {
			fields = append(fields, e.Field)
		}
		if got := strings.Join(fields, " "); got != "email password device_name home_currency" {
			t.Errorf("field errors of %s", got)
		}
	})
	t.Run("is refused while closed, and still open to an administrator", func(t *testing.T) {
		h := newFixture(t, func(c *auth.Config) { c.RegistrationClosed = true })
		_, err := h.Register(t.Context(), auth.Registration{Email: "ada@example.org", Password: goodPassword})
		wantErr(t, "Register", err, auth.ErrRegistrationClosed)
		wantErr(t, "Register", err, auth.ErrForbidden)
		if _, err := h.users.Add(t.Context(),
			auth.Registration{Email: "ada@example.org", Password: goodPassword}); err != nil {
			t.Error(err)
		}
	})
	t.Run("leaves an account to sign in to when the ledger could not be made", func(t *testing.T) {
		h := newFixture(t)
		h.ledgers.down = true
		reg := auth.Registration{Email: "ada@example.org", Password: goodPassword}
		_, err := h.Register(t.Context(), reg)
		wantErr(t, "Register", err, expense.ErrUnavailable)
		h.ledgers.down = false
		if _, err := h.Login(t.Context(), auth.Login{Email: reg.Email, Password: reg.Password}); err != nil {
			t.Error(err)
		}
	})
}

func TestLogin(t *testing.T) {
	h := newFixture(t)
	first := h.register(t)
	t.Run("starts a session of its own", func(t *testing.T) {
		session, err := h.Login(t.Context(),
			auth.Login{Email: "ADA@example.org", Password: goodPassword, DeviceName: "Laptop"})
		if err != nil || session.Device == first.Device || session.User != first.User {
			t.Fatalf("Login = %v, %v", session.User, err)
		}
		if !accepts(t, h, session.AccessToken) || !accepts(t, h, first.AccessToken) {
			t.Error("one of the two sessions is not accepted")
		}
	})
	for name, login := range map[string]auth.Login{
		"a wrong password":                 {Email: "ada@example.org", Password: goodPassword + "!"},
		"an unknown address":               {Email: "bob@example.org", Password: goodPassword},
		"an address that is none":          {Email: "ada\x00@example.org", Password: goodPassword},
		"no address":                       {Password: goodPassword},
		"no password":                      {Email: "ada@example.org"},
		"a password longer than there are": {Email: "ada@example.org", Password: strings.Repeat("x", 10_000)},
		"a password in another case":       {Email: "ada@example.org", Password: strings.ToUpper(goodPassword)},
	} {
		t.Run("answers "+name+" like every other", func(t *testing.T) {
			session, err := h.Login(t.Context(), login)
			if err == nil || err.Error() != auth.ErrInvalidCredentials.Error() || session != (auth.Session{}) {
				t.Errorf("Login = %v, %v", session, err)
			}
			wantErr(t, "Login", err, auth.ErrUnauthenticated)
		})
	}
	t.Run("says so when the store is down", func(t *testing.T) {
		h.accounts.setDown(true)
		defer h.accounts.setDown(false)
		_, err := h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
		wantErr(t, "Login", err, expense.ErrUnavailable)
	})
	t.Run("takes a password however its accents are typed", func(t *testing.T) {
		reg := auth.Registration{Email: "zoe@example.org", Password: "caf\u00e9 cr\u00e8me \uff21\uff22\uff23"}
		if _, err := h.Register(t.Context(), reg); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Login(t.Context(), auth.Login{Email: reg.Email, Password: "cafe\u0301 cre\u0300me ABC"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("makes a hash of lower cost anew", func(t *testing.T) {
		h := newCostlyFixture(t)
		weak := weakHash(goodPassword)
		account := accounts.Account{ID: uuid.New(), Email: "old@example.org", PasswordHash: weak}
		if err := h.accounts.CreateAccount(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := h.Login(t.Context(), auth.Login{Email: account.Email, Password: goodPassword}); err != nil {
				t.Fatal(err)
			}
			accountStore, err := h.accounts.Account(t.Context(), account.ID)
			if err != nil || !strings.HasPrefix(accountStore.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("hash %q, %v", accountStore.PasswordHash, err)
			}
		}
	})
}

func TestLogout(t *testing.T) {
	h := newFixture(t)
	session := h.register(t)
	identity, err := h.Authenticate(request(t, "Bearer "+session.AccessToken))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Logout(t.Context(), identity); err != nil {
			t.Fatal(err)
		}
	}
	if accepts(t, h, session.AccessToken) {
		t.Error("the access token still works after the session has ended")
	}
	_, err = h.Refresh(t.Context(), session.RefreshToken)
	wantErr(t, "Refresh", err, auth.ErrSessionEnded)
	wantErr(t, "Logout of a host's identity", h.Logout(t.Context(), auth.Identity{Owner: "host"}), auth.ErrForbidden)
}

func TestUsers(t *testing.T) {
	h := newFixture(t)
	session := h.register(t)
	t.Run("get another password, and their sessions end", func(t *testing.T) {
		if err := h.users.SetPassword(t.Context(), "ada@example.org", goodPassword+" again"); err != nil {
			t.Fatal(err)
		}
		_, err := h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
		wantErr(t, "Login with the old password", err, auth.ErrInvalidCredentials)
		if _, err := h.Login(t.Context(),
			auth.Login{Email: "ada@example.org", Password: goodPassword + " again"}); err != nil {
			t.Error(err)
		}
		_, err = h.Refresh(t.Context(), session.RefreshToken)
		wantErr(t, "Refresh", err, auth.ErrSessionEnded)
		wantErr(t, "SetPassword to a short one", h.users.SetPassword(t.Context(), "ada@example.org", "short"),
			expense.ErrInvalid)
	})
	t.Run("go with their ledger", func(t *testing.T) {
		if err := h.users.Erase(t.Context(), "Ada@example.org"); err != nil {
			t.Fatal(err)
		}
		if len(h.ledgers.made) != 0 {
			t.Error("the ledger is still there")
		}
		wantErr(t, "Remove again", h.users.Erase(t.Context(), "Ada@example.org"), expense.ErrNotFound)
	})
}

func TestRefresh(t *testing.T) {
	refresh := func(t *testing.T, s *auth.Service, token string) string {
		t.Helper()
		session, err := s.Refresh(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if !accepts(t, s, session.AccessToken) {
			t.Fatal("the access token of the refresh is not accepted")
		}
		return session.RefreshToken
	}
	over := func(t *testing.T, s *auth.Service, token string) {
		t.Helper()
		_, err := s.Refresh(t.Context(), token)
		wantErr(t, "Refresh", err, auth.ErrSessionEnded)
		wantErr(t, "Refresh", err, auth.ErrUnauthenticated)
	}
	bubble := func(name string, test func(t *testing.T, h *fixture, first string)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newFixture(t)
				test(t, h, h.register(t).RefreshToken)
			})
		})
	}
	bubble("gives another token each time", func(t *testing.T, h *fixture, first string) {
		seen := map[string]bool{first: true}
		for token := first; len(seen) < 5; seen[token] = true {
			token = refresh(t, h.Service, token)
			if seen[token] {
				t.Fatal("a refresh token came twice")
			}
		}
	})
	bubble("gives the same successor again for 30 seconds, on every instance",
		func(t *testing.T, h *fixture, first string) {
			other := h.instance(t, func(c *auth.Config) { c.KEK = bytes.Repeat([]byte{9}, auth.KEKSize) })
			second := refresh(t, h.Service, first)
			time.Sleep(30 * time.Second)
			if again := refresh(t, other, first); again != second {
				t.Error("the token before the current one gave another successor")
			}
			refresh(t, other, second)
		})
	bubble("takes the previous token for theft after 30 seconds", func(t *testing.T, h *fixture, first string) {
		second := refresh(t, h.Service, first)
		time.Sleep(30*time.Second + time.Microsecond)
		over(t, h.Service, first)
		over(t, h.Service, second)
		if !strings.Contains(h.log.String(), "stolen") {
			t.Error("the theft was not logged")
		}
	})
	bubble("takes an older token for theft at once", func(t *testing.T, h *fixture, first string) {
		session, err := h.Refresh(t.Context(), refresh(t, h.Service, first))
		if err != nil {
			t.Fatal(err)
		}
		over(t, h.Service, first)
		over(t, h.Service, session.RefreshToken)
		if accepts(t, h, session.AccessToken) {
			t.Error("the access token still works after the family has ended")
		}
	})
	bubble("ends nothing for a token that we never made", func(t *testing.T, h *fixture, first string) {
		forged := []byte(first)
		forged[len("swr_")+50] ^= 1 // changes the family secret: the ids alone must not be enough to end a session
		over(t, h.Service, string(forged))
		for _, text := range []string{"", "swr_", first[:len(first)-1], first + "A", "x" + first,
			strings.Repeat("A", 1<<17)} {
			over(t, h.Service, text)
		}
		refresh(t, h.Service, first)
	})
	bubble("ends after 30 idle days", func(t *testing.T, h *fixture, first string) {
		time.Sleep(30*24*time.Hour - time.Second)
		second := refresh(t, h.Service, first)
		time.Sleep(30 * 24 * time.Hour)
		over(t, h.Service, second)
	})
	bubble("ends after 180 days however busy", func(t *testing.T, h *fixture, first string) {
		token := first
		for range 179 {
			time.Sleep(24 * time.Hour)
			token = refresh(t, h.Service, token)
		}
		time.Sleep(24*time.Hour - time.Second)
		token = refresh(t, h.Service, token)
		time.Sleep(time.Second)
		over(t, h.Service, token)
	})
	t.Run("gives one successor to many at once", func(t *testing.T) {
		h := newFixture(t)
		first := h.register(t).RefreshToken
		tokens := make([]string, 50)
		var group sync.WaitGroup
		for i := range tokens {
			group.Go(func() {
				session, err := h.Refresh(context.Background(), first)
				if err != nil {
					t.Error(err)
				}
				tokens[i] = session.RefreshToken
			})
		}
		group.Wait()
		for _, token := range tokens {
			if token != tokens[0] {
				t.Fatal("two requests with one token got different successors")
			}
		}
		refresh(t, h.Service, tokens[0])
	})
	bubble("gives the same successor to a request that another overtook", func(t *testing.T, h *fixture, first string) {
		var second string
		h.accounts.afterRead = func() { second = refresh(t, h.Service, first) }
		if again := refresh(t, h.Service, first); again != second {
			t.Error("the slower request got another successor")
		}
	})
	bubble("says so when the store is down, and works again after", func(t *testing.T, h *fixture, first string) {
		h.accounts.setDown(true)
		_, err := h.Refresh(t.Context(), first)
		wantErr(t, "Refresh", err, expense.ErrUnavailable)
		h.accounts.setDown(false)
		refresh(t, h.Service, first)
	})
}

func TestSecrets_AreNotInLogsOrErrors(t *testing.T) {
	h := newFixture(t)
	first := h.register(t)
	second, err := h.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	third, err := h.Refresh(t.Context(), second.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	texts := new(strings.Builder)
	add := func(err error) { fmt.Fprintf(texts, "%v %+v %#v\n", err, err, err) }
	_, err = h.Refresh(t.Context(), first.RefreshToken) // reuse of a replaced token
	add(err)
	_, err = h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword + "?"})
	add(err)
	_, err = h.Register(t.Context(), auth.Registration{Email: "ada@example.org", Password: goodPassword})
	add(err)
	_, err = h.Register(t.Context(), auth.Registration{Email: "ada", Password: goodPassword[:5]})
	add(err)
	_, err = h.Authenticate(request(t, "Bearer "+third.AccessToken))
	add(err)
	h.accounts.setDown(true)
	_, err = h.Refresh(t.Context(), third.RefreshToken)
	add(err)
	slog.New(slog.NewJSONHandler(h.log, nil)).Info("signed in", "session", third)

	accountStore, err := h.accounts.Account(t.Context(), first.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.log.String(), first.Device.String()) {
		t.Error("the theft is not in the log")
	}
	for name, secret := range map[string]string{
		"password": goodPassword[:5], "hash": accountStore.PasswordHash, "address": "ada@",
		"access token": third.AccessToken, "signature": third.AccessToken[len(third.AccessToken)-40:],
		"refresh token": third.RefreshToken[len("swr_")+43:], "used refresh token": first.RefreshToken[len("swr_")+43:],
	} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds the %s", name)
		}
		if strings.Contains(texts.String(), secret) {
			t.Errorf("an error holds the %s: %s", name, texts)
		}
	}
}
