package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// A TokenSource says by which access token requests are made. It is called by many at once.
type TokenSource interface {
	// Token returns an access token. rejected is one that the server has just refused, or empty; then another one is wanted, and if
	// there is none the error is ErrSignedOut.
	Token(ctx context.Context, rejected string) (string, error)
}

// StaticToken is the TokenSource of a personal access token, or of any other that does not change.
type StaticToken string

// Token implements TokenSource.
func (t StaticToken) Token(_ context.Context, rejected string) (string, error) {
	if rejected == string(t) {
		return "", fmt.Errorf("the personal access token was refused: %w", ErrSignedOut)
	}
	return string(t), nil
}

// Credentials are a person's.
type Credentials struct {
	Email      string `json:"email"`
	Password   string `json:"password"`
	DeviceName string `json:"device_name,omitempty"` // what the list of devices calls this one
}

// A Registration is what a new account needs; what is empty takes the server's defaults.
type Registration struct {
	Credentials
	HomeCurrency string `json:"home_currency,omitempty"`
	TimeZone     string `json:"time_zone,omitempty"`
	Locale       string `json:"locale,omitempty"`
}

// An Account is who is signed in.
type Account struct {
	ID       uuid.UUID `json:"id"`
	Email    string    `json:"email"`
	DeviceID uuid.UUID `json:"device_id"`
}

// The names under which values are stored.
const (
	accountValue   = "account" // whose ledger this is; it outlives the session
	sessionValue   = "session"
	placeValue     = "place"     // in the feed
	seqValue       = "seq"       // of the last mutation
	predictedValue = "predicted" // up to which day, of each rule
)

// A session is what a sign-in or a refresh gave.
type session struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	RefreshAt    time.Time `json:"refresh_at"` // from then on it is refreshed ahead of its end
	ExpiresAt    time.Time `json:"expires_at"`
}

// sessionAnswer is the server's.
type sessionAnswer struct {
	User struct {
		ID    uuid.UUID `json:"id"`
		Email string    `json:"email"`
	} `json:"user"`
	AccessToken  string    `json:"access_token"`
	ExpiresIn    int       `json:"expires_in"`
	RefreshToken string    `json:"refresh_token"`
	DeviceID     uuid.UUID `json:"device_id"`
}

// read decodes an answer that holds tokens. One that lacks them is none of this server's.
func (s *sessionAnswer) read(a answer) error {
	if err := into(s)(a); err != nil {
		return err
	}
	if s.AccessToken == "" || s.RefreshToken == "" {
		return errors.New("it holds no tokens")
	}
	return nil
}

// session returns what is kept of the answer. Its time runs from before the request was sent: the device's clock measures a
// span, and is not compared with the server's.
func (s *sessionAnswer) session(asked time.Time) session {
	life := time.Duration(min(max(s.ExpiresIn, 1), 1<<20)) * time.Second
	return session{
		AccessToken: s.AccessToken, RefreshToken: s.RefreshToken,
		RefreshAt: asked.Add(life - min(time.Minute, life/5)), ExpiresAt: asked.Add(life),
	}
}

// Register makes an account and signs in.
func (c *Client) Register(ctx context.Context, reg Registration) error {
	return c.signIn(ctx, "/v1/auth/register", reg)
}

// Login signs in. Rows and queue that are in the storage stay, if they are of the same account; ErrOtherAccount if they are not.
func (c *Client) Login(ctx context.Context, who Credentials) error {
	return c.signIn(ctx, "/v1/auth/login", who)
}

func (c *Client) signIn(ctx context.Context, path string, in any) error {
	if c.own == nil {
		return errors.New("this client authenticates with tokens of the host's own")
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if _, ok := in.(Registration); ok {
		// A new account has another ledger, whichever it is.
		if _, err := c.Account(ctx); err == nil {
			return ErrOtherAccount
		}
	}
	if err := take(ctx, c.own.turn); err != nil {
		return err
	}
	defer give(c.own.turn)
	asked := c.now()
	var got sessionAnswer
	// It is sent once: another time could make a second account, or a second device.
	if err := c.send(ctx, request{method: http.MethodPost, path: path, body: body, open: true, once: true, decode: got.read}); err != nil {
		return err
	}
	account := Account{ID: got.User.ID, Email: got.User.Email, DeviceID: got.DeviceID}
	fresh := got.session(asked)
	err = c.storage.Update(ctx, func(tx Tx) error {
		var known Account
		if there, err := getValue(ctx, tx, accountValue, &known); err != nil {
			return err
		} else if there && known.ID != account.ID {
			return ErrOtherAccount
		}
		return errors.Join(putValue(ctx, tx, accountValue, account), putValue(ctx, tx, sessionValue, fresh))
	})
	if err != nil {
		// Nobody will ever use that session.
		if lost := c.endSession(ctx, fresh.AccessToken); lost != nil {
			c.logger.WarnContext(ctx, "a session that could not be kept was not ended either; it ends by itself", "error", lost)
		}
		return err
	}
	c.own.current, c.own.unsaved = fresh, false
	return nil
}

// Account returns whose ledger the storage holds; ErrSignedOut if nobody's.
func (c *Client) Account(ctx context.Context) (Account, error) {
	var account Account
	err := c.storage.View(ctx, func(tx Tx) error {
		there, err := getValue(ctx, tx, accountValue, &account)
		if err == nil && !there {
			err = ErrSignedOut
		}
		return err
	})
	return account, err
}

// Logout ends the session on the server and forgets its tokens. Rows and queue stay: see [Client.ClearStorage]. If the server cannot be
// reached, nothing happens.
func (c *Client) Logout(ctx context.Context) error {
	if c.own == nil {
		return errors.New("this client authenticates with tokens of the host's own")
	}
	token, err := c.own.Token(ctx, "")
	if errors.Is(err, ErrSignedOut) {
		return nil
	}
	if err == nil {
		err = c.endSession(ctx, token)
	}
	if p, ok := errors.AsType[*Problem](err); err != nil && (!ok || p.Status != http.StatusUnauthorized) {
		return err
	}
	if err := take(ctx, c.own.turn); err != nil {
		return err
	}
	defer give(c.own.turn)
	return c.own.forget(ctx, c.own.current.RefreshToken)
}

func (c *Client) endSession(ctx context.Context, token string) error {
	return c.exchange(ctx, request{method: http.MethodPost, path: "/v1/auth/logout", decode: func(a answer) error {
		if a.status != http.StatusNoContent {
			return fmt.Errorf("status %d", a.status)
		}
		return nil
	}}, token)
}

// Forget removes all that is stored: session, rows, and what was not sent. It does not ask the server: [Client.Logout] does.
func (c *Client) ClearStorage(ctx context.Context) error {
	if err := take(ctx, c.syncing); err != nil {
		return err
	}
	defer give(c.syncing)
	if c.own != nil {
		if err := take(ctx, c.own.turn); err != nil {
			return err
		}
		defer give(c.own.turn)
		c.own.current, c.own.unsaved = session{}, false
	}
	return c.storage.Update(ctx, func(tx Tx) error {
		at, err := placeOf(ctx, tx)
		if err != nil {
			return err
		}
		queue, err := tx.Mutations(ctx, MutationQuery{})
		if err != nil {
			return err
		}
		ids := make([]string, len(queue))
		for i, m := range queue {
			ids[i] = m.ID
		}
		err = errors.Join(tx.DeleteRowsBefore(ctx, at.Generation+1), tx.DeleteMutations(ctx, ids...))
		for _, name := range []string{accountValue, sessionValue, placeValue, seqValue, predictedValue} {
			err = errors.Join(err, tx.SetValue(ctx, name, nil))
		}
		return err
	})
}

// sessionTokens is the TokenSource of those who sign in.
type sessionTokens struct {
	client *Client

	turn    chan struct{} // holds a token while one works on what follows
	current session
	unsaved bool // the storage has an older one: it failed
}

// Token implements TokenSource. One refresh at a time is under way; who comes meanwhile waits for it.
func (t *sessionTokens) Token(ctx context.Context, rejected string) (string, error) {
	if err := take(ctx, t.turn); err != nil {
		return "", err
	}
	defer give(t.turn)
	good := func() bool {
		return t.current.AccessToken != "" && t.current.AccessToken != rejected && t.client.now().Before(t.current.RefreshAt)
	}
	if t.unsaved {
		t.save(ctx)
	}
	if good() {
		return t.current.AccessToken, nil
	}
	if !t.unsaved {
		// Another process with the same storage may have refreshed it.
		var stored session
		err := t.client.storage.View(ctx, func(tx Tx) error {
			_, err := getValue(ctx, tx, sessionValue, &stored)
			return err
		})
		if err != nil {
			return "", err
		}
		if t.current = stored; good() {
			return t.current.AccessToken, nil
		}
	}
	if t.current.RefreshToken == "" {
		return "", ErrSignedOut
	}
	err := t.refresh(ctx)
	switch {
	case err == nil:
		return t.current.AccessToken, nil
	case errors.Is(err, ErrSignedOut):
		return "", errors.Join(err, t.forget(ctx, t.current.RefreshToken))
	case t.current.AccessToken != rejected && t.client.now().Before(t.current.ExpiresAt):
		return t.current.AccessToken, nil // it was refreshed ahead of time; there is some left
	}
	return "", err
}

const (
	// refreshTime bounds a refresh with all its attempts: the grace in which a refresh token works twice.
	refreshTime = 25 * time.Second
	// hearOut is how long a refresh goes on whose caller has given up: its answer is worth more than the caller's time.
	hearOut = 3 * time.Second
)

// refresh replaces the session. Its answer is stored before it is used. An answer that is lost is asked for again with the same
// token, which the server allows for half a minute.
func (t *sessionTokens) refresh(ctx context.Context) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(hearOut, cancel) })
	defer stop()
	body, err := json.Marshal(map[string]string{"refresh_token": t.current.RefreshToken})
	if err != nil {
		return err
	}
	asked := t.client.now()
	var got sessionAnswer
	err = t.client.send(within, request{method: http.MethodPost, path: "/v1/auth/refresh", body: body, open: true, decode: got.read})
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusUnauthorized && p.Code == "unauthenticated" {
		return fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	if err != nil {
		return fmt.Errorf("refresh the session: %w", err)
	}
	t.current = got.session(asked)
	t.save(within)
	return nil
}

// save stores the session. If it cannot be stored now, it is used all the same and stored the next time.
func (t *sessionTokens) save(ctx context.Context) {
	err := t.client.storage.Update(ctx, func(tx Tx) error { return putValue(ctx, tx, sessionValue, t.current) })
	if t.unsaved = err != nil; t.unsaved {
		t.client.logger.WarnContext(ctx, "the session cannot be stored; if the process ends now, its person has to sign in again", "error", err)
	}
}

// forget removes the session of this refresh token; what another process has put in its place stays.
func (t *sessionTokens) forget(ctx context.Context, refreshToken string) error {
	t.current, t.unsaved = session{}, false
	return t.client.storage.Update(ctx, func(tx Tx) error {
		var stored session
		if _, err := getValue(ctx, tx, sessionValue, &stored); err != nil || stored.RefreshToken != refreshToken {
			return err
		}
		return tx.SetValue(ctx, sessionValue, nil)
	})
}

// getValue decodes a stored value, and reports whether there is one.
func getValue(ctx context.Context, tx Tx, name string, value any) (bool, error) {
	text, err := tx.Value(ctx, name)
	if err != nil || text == nil {
		return false, err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("the stored %s: %w", name, err)
	}
	return true, nil
}

func putValue(ctx context.Context, tx Tx, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("store the %s: %w", name, err)
	}
	return tx.SetValue(ctx, name, text)
}
