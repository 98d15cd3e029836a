package auth_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

func (h *fixture) identity(t *testing.T, session auth.Session) auth.Identity {
	t.Helper()
	identity, err := h.Authenticate(request(t, "Bearer "+session.AccessToken))
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func (h *fixture) login(t *testing.T, device string) auth.Session {
	t.Helper()
	session, err := h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword, DeviceName: device})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestChangePassword_EndsOtherDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		other := h.instance(t)
		phone := h.register(t)
		laptop := h.login(t, "Laptop")
		for _, service := range []*auth.Service{h.Service, other} {
			if !accepts(t, service, phone.AccessToken) || !accepts(t, service, laptop.AccessToken) {
				t.Fatal("a session is refused")
			}
		}
		identity := h.identity(t, laptop)
		const next = "five other words in a row"
		for name, change := range map[string]auth.PasswordChange{
			"from a wrong one":  {Current: "a wrong password", New: next},
			"to a short one":    {Current: goodPassword, New: "short"},
			"to one's address":  {Current: goodPassword, New: "ada@example.org"},
			"to a common one":   {Current: goodPassword, New: "passwordpassword"},
			"from none to none": {},
		} {
			wantErr(t, "ChangePassword "+name, h.ChangePassword(t.Context(), identity, change), expense.ErrInvalid)
		}
		if err := h.ChangePassword(t.Context(), identity, auth.PasswordChange{Current: goodPassword, New: next}); err != nil {
			t.Fatal(err)
		}
		if accepts(t, h, phone.AccessToken) {
			t.Error("the other device is still let in here")
		}
		time.Sleep(30 * time.Second)
		if accepts(t, other, phone.AccessToken) {
			t.Error("the other device is still let in by another instance after 30 seconds")
		}
		if !accepts(t, h, laptop.AccessToken) || !accepts(t, other, laptop.AccessToken) {
			t.Error("the device that changed the password is out")
		}
		_, err := h.Refresh(t.Context(), phone.RefreshToken)
		wantErr(t, "Refresh of the other device", err, auth.ErrSessionEnded)
		_, err = h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
		wantErr(t, "Login with the old password", err, auth.ErrInvalidCredentials)
		if _, err = h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: next}); err != nil {
			t.Error(err)
		}
	})
}

// A person who finds an unlocked device must not be able to guess the password there.
func TestChangePassword_ConfirmationIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		identity := h.identity(t, h.register(t))
		for range 6 {
			wantErr(t, "Erase", h.EraseAccount(t.Context(), identity, "a wrong password", netip.Addr{}), expense.ErrInvalid)
		}
		locked := h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{})
		wrong := h.ChangePassword(t.Context(), identity, auth.PasswordChange{Current: "no", New: "five other words in a row"})
		wantErr(t, "Erase while locked", locked, expense.ErrInvalid)
		a, b := expense.InvalidErrors(locked)[0], expense.InvalidErrors(wrong)[0]
		if a.Code != b.Code || a.Detail != b.Detail {
			t.Errorf("locked is %v, wrong is %v", locked, wrong)
		}
		time.Sleep(time.Second)
		if err := h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{}); err != nil {
			t.Error(err)
		}
	})
}

func TestChangeEmail(t *testing.T) {
	h := newFixture(t)
	identity := h.identity(t, h.register(t))
	if _, err := h.Register(t.Context(), auth.Registration{Email: "bob@example.org", Password: goodPassword}); err != nil {
		t.Fatal(err)
	}
	change := func(email, password string) error {
		_, err := h.ChangeEmail(t.Context(), identity, auth.EmailChange{Email: email, Password: password})
		return err
	}
	wantErr(t, "ChangeEmail without the password", change("new@example.org", "a wrong password"), expense.ErrInvalid)
	wantErr(t, "ChangeEmail to a malformed address", change("new", goodPassword), expense.ErrInvalid)
	wantErr(t, "ChangeEmail to a taken one", change("BOB@example.org", goodPassword), expense.ErrExists)
	if err := change(" new@example.org ", goodPassword); err != nil {
		t.Fatal(err)
	}
	_, err := h.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
	wantErr(t, "Login with the old address", err, auth.ErrInvalidCredentials)
	session, err := h.Login(t.Context(), auth.Login{Email: "new@example.org", Password: goodPassword})
	if err != nil || session.User.Email != "new@example.org" {
		t.Errorf("Login with the new address: %v, %v", session.User, err)
	}
}

func TestDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		first := h.register(t)
		time.Sleep(time.Second)
		laptop := h.login(t, "Laptop")
		time.Sleep(time.Second)
		tablet := h.login(t, "Tablet")
		bob, err := h.Register(t.Context(), auth.Registration{Email: "bob@example.org", Password: goodPassword})
		if err != nil {
			t.Fatal(err)
		}
		identity := h.identity(t, laptop)
		names := func() (names string) {
			devices, err := h.Devices(t.Context(), identity)
			if err != nil {
				t.Fatal(err)
			}
			for _, device := range devices {
				names += device.Name + ","
				if device.Current != (device.ID == laptop.Device) || device.CreatedAt.IsZero() || device.SeenAt.IsZero() {
					t.Errorf("device %+v", device)
				}
			}
			return names
		}
		if got := names(); got != ",Laptop,Tablet," {
			t.Errorf("devices %q", got)
		}
		wantErr(t, "EndDevice of another's", h.RevokeDevice(t.Context(), identity, bob.Device), expense.ErrNotFound)
		wantErr(t, "RevokeDevice of an unknown device", h.RevokeDevice(t.Context(), identity, uuid.New()),
			expense.ErrNotFound)
		for range 2 {
			if err := h.RevokeDevice(t.Context(), identity, tablet.Device); err != nil {
				t.Fatal(err)
			}
		}
		if accepts(t, h, tablet.AccessToken) || !accepts(t, h, first.AccessToken) || !accepts(t, h, bob.AccessToken) {
			t.Error("the wrong session ended")
		}
		if got := names(); got != ",Laptop," {
			t.Errorf("devices %q after one ended", got)
		}
		time.Sleep(auth.SessionIdleTimeout)
		if got := names(); got != "" {
			t.Errorf("devices %q after all expired", got)
		}
	})
}

func TestErase(t *testing.T) {
	t.Run("removes everything", func(t *testing.T) {
		h := newFixture(t)
		session := h.register(t)
		identity := h.identity(t, session)
		_, token, err := h.CreatePersonalToken(t.Context(), identity,
			auth.PersonalTokenDraft{Name: "script", Scopes: auth.ScopeRead})
		if err != nil || !accepts(t, h, token) {
			t.Fatalf("the personal token is refused, %v", err)
		}
		wantErr(t, "EraseAccount without the password",
			h.EraseAccount(t.Context(), identity, "a wrong password", netip.Addr{}),
			expense.ErrInvalid)
		if h.ledgers.count() != 1 || !accepts(t, h, session.AccessToken) {
			t.Fatal("something is gone")
		}
		if err := h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{}); err != nil {
			t.Fatal(err)
		}
		if accepts(t, h, session.AccessToken) || accepts(t, h, token) || h.ledgers.count() != 0 {
			t.Error("a token or the ledger is left")
		}
		_, err = h.Refresh(t.Context(), session.RefreshToken)
		wantErr(t, "Refresh", err, auth.ErrSessionEnded)
		again, err := h.Register(t.Context(), auth.Registration{Email: "ada@example.org", Password: goodPassword})
		if err != nil || again.User.ID == session.User.ID {
			t.Errorf("the address is not free, or the account is back: %v", err)
		}
	})
	t.Run("goes on after a crash between its steps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			identity := h.identity(t, h.register(t))
			h.ledgers.failErasing(true)
			wantErr(t, "Erase", h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{}), expense.ErrUnavailable)
			if h.ledgers.count() != 1 {
				t.Fatal("the ledger is gone: this tests nothing")
			}
			h.ledgers.failErasing(false)
			next := h.instance(t) // the process that starts after the crash
			stop := runMaintenance(t, next)
			synctest.Wait()
			if h.ledgers.count() != 0 {
				t.Error("the ledger is left after the next start")
			}
			time.Sleep(2 * time.Hour)
			stop()
			if left, err := h.accounts.Erasures(t.Context()); err != nil || len(left) != 0 {
				t.Errorf("%d erasure records were not deleted, %v", len(left), err)
			}
		})
	})
	t.Run("takes along what a request under way made anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			defer runMaintenance(t, h.Service)()
			identity := h.identity(t, h.register(t))
			if err := h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.ledgers.CreateLedger(t.Context(), identity.Owner, expense.InitialLedger{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour + time.Minute)
			if h.ledgers.count() != 0 {
				t.Error("the ledger made anew is left")
			}
		})
	})
}

func TestIdentity_OfHostHasNoLocalAccount(t *testing.T) {
	h := newFixture(t)
	identity := auth.Identity{Owner: "customer-17", Scopes: auth.AllScopes}
	_, devices := h.Devices(t.Context(), identity)
	_, tokens := h.PersonalTokens(t.Context(), identity)
	_, _, create := h.CreatePersonalToken(t.Context(), identity,
		auth.PersonalTokenDraft{Name: "x", Scopes: auth.ScopeRead})
	_, me := h.User(t.Context(), identity)
	for what, err := range map[string]error{
		"Devices": devices, "Tokens": tokens, "CreateToken": create, "Me": me,
		"RevokeDevice":        h.RevokeDevice(t.Context(), identity, uuid.New()),
		"RevokePersonalToken": h.RevokePersonalToken(t.Context(), identity, uuid.New()),
		"EraseAccount":        h.EraseAccount(t.Context(), identity, goodPassword, netip.Addr{}),
		"ChangePassword": h.ChangePassword(t.Context(), identity,
			auth.PasswordChange{Current: goodPassword, New: goodPassword}),
	} {
		wantErr(t, what, err, expense.ErrNotFound)
	}
}
