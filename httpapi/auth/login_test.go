package auth_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/httpapi/auth"
)

// A guesser tries passwords.
type guesser struct {
	t    *testing.T
	from netip.Addr
}

func (g guesser) tries(s *auth.Service, email, password string) bool {
	g.t.Helper()
	_, err := s.Login(g.t.Context(), auth.Login{Email: email, Password: password, Address: g.from})
	if err != nil && (!errors.Is(err, auth.ErrInvalidCredentials) || err.Error() != auth.ErrInvalidCredentials.Error()) {
		g.t.Fatalf("Login: %v", err)
	}
	return err == nil
}

func TestLogin_ThrottlesByAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		other := h.instance(t)
		h.register(t)
		g := guesser{t: t}
		right := func(s *auth.Service) bool { return g.tries(s, "Ada@example.org", goodPassword) }
		wrong := func(times int) {
			for range times {
				g.tries(h.Service, "ada@example.org", "a wrong password")
			}
		}
		wrong(5)
		if !right(h.Service) {
			t.Fatal("five failures keep the right password out")
		}
		wrong(6)
		if right(h.Service) || right(other) {
			t.Fatal("after six failures the right password is taken at once, here or by another instance")
		}
		time.Sleep(time.Second)
		if !right(other) {
			t.Fatal("a second later the right password is refused")
		}
		wrong(5)
		if !right(h.Service) {
			t.Fatal("a sign-in does not make the failures before it forgotten")
		}

		wrong(6)
		for _, wait := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900} {
			time.Sleep(time.Duration(wait)*time.Second - time.Millisecond)
			if right(h.Service) {
				t.Fatalf("the right password is taken before the %d s are over", wait)
			}
			wrong(3) // during a block, which they do not extend
			time.Sleep(time.Millisecond)
			wrong(1)
		}
		time.Sleep(15 * time.Minute)
		if !right(h.Service) {
			t.Error("the right password is refused after a quarter of an hour: nobody is locked out for good")
		}
		wrong(6)
		time.Sleep(time.Hour + time.Second)
		wrong(5)
		if !right(h.Service) {
			t.Error("failures of an hour ago count")
		}
	})
}

func TestLogin_ThrottlesByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		h.register(t)
		for first, second := range map[string]string{
			"192.0.2.7": "192.0.2.7", "2001:db8:1:2::1": "2001:db8:1:2:ffff::9", "::ffff:192.0.2.9": "192.0.2.9",
		} {
			g := guesser{t: t, from: netip.MustParseAddr(first)}
			for i := range 6 {
				g.tries(h.Service, fmt.Sprintf("nobody%d@%d.example.org", i, len(first)), "a wrong password")
			}
			g.from = netip.MustParseAddr(second)
			if g.tries(h.Service, "ada@example.org", goodPassword) {
				t.Errorf("%s is let in after six failures from %s", second, first)
			}
			for _, elsewhere := range []string{"192.0.2.8", "2001:db8:1:3::1"} {
				g.from = netip.MustParseAddr(elsewhere)
				if !g.tries(h.Service, "ada@example.org", goodPassword) {
					t.Errorf("%s is kept out by failures from %s", elsewhere, first)
				}
			}
			// A successful sign-in does not clear the failures of other accounts from the same address.
			g.from = netip.MustParseAddr(second)
			time.Sleep(time.Second)
			if !g.tries(h.Service, "ada@example.org", goodPassword) {
				t.Errorf("%s is kept out a second later", second)
			}
			g.tries(h.Service, "nobody@example.org", "a wrong password")
			if g.tries(h.Service, "ada@example.org", goodPassword) {
				t.Errorf("a sign-in from %s made its failures forgotten", second)
			}
		}
	})
}

// An unknown account, a wrong password and a blocked sign-in cause the same work: one hash and the same number of
// writes.
func TestLogin_EveryFailureDoesSameWork(t *testing.T) {
	h := newFixture(t)
	h.register(t)
	g := guesser{t: t, from: netip.MustParseAddr("192.0.2.7")}
	for i, email := range []string{
		"ada@example.org", "nobody@example.org", "no address", "ada@example.org", "ada@example.org", "ada@example.org",
		"ada@example.org", // blocked from here on
		"ada@example.org", "nobody@example.org",
	} {
		before := h.accounts.failureCount
		if g.tries(h.Service, email, "a wrong password") {
			t.Fatal("let in")
		}
		if n := h.accounts.failureCount - before; n != 2 {
			t.Errorf("refusal %d counts under %d keys, want 2", i, n)
		}
	}
}

func TestLogin_ThrottleCanBeDisabled(t *testing.T) {
	h := newFixture(t, func(c *auth.Config) { c.DisableThrottling = true })
	h.register(t)
	g := guesser{t: t}
	for range 8 {
		g.tries(h.Service, "ada@example.org", "a wrong password")
	}
	if !g.tries(h.Service, "ada@example.org", goodPassword) {
		t.Error("failures have a consequence")
	}
}
