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

// A TokenSource provides access tokens. It must be safe for concurrent use.
type TokenSource interface {
	// Token returns an access token. If rejected is not empty, the server has just refused that token, and Token must
	// return another one. It returns ErrSignedOut if there is none.
	Token(ctx context.Context, rejected string) (string, error)
}

// StaticToken is a [TokenSource] for a token that does not change, such as a personal access token.
type StaticToken string

// Token implements [TokenSource].
func (t StaticToken) Token(_ context.Context, rejected string) (string, error) {
	if rejected == string(t) {
		return "", fmt.Errorf("the server refused the access token: %w", ErrSignedOut)
	}
	return string(t), nil
}

// Credentials identify a user at a sign-in.
type Credentials struct {
	Email      string `json:"email"`
	Password   string `json:"password"`
	DeviceName string `json:"device_name,omitempty"` // name of the session in the list of devices
}

// A Registration holds the parameters of a new account. Empty fields get the server's defaults.
type Registration struct {
	Credentials
	HomeCurrency string `json:"home_currency,omitempty"`
	TimeZone     string `json:"time_zone,omitempty"`
	Locale       string `json:"locale,omitempty"`
}

// An Account describes the account whose ledger the storage holds.
type Account struct {
	ID       uuid.UUID `json:"id"`
	Email    string    `json:"email"`
	DeviceID uuid.UUID `json:"device_id"`
}

// The names of values in the Storage.
const (
	accountValue   = "account" // Account; it outlives the session
	sessionValue   = "session"
	positionValue  = "place"     // feedPosition
	seqValue       = "seq"       // Seq of the last mutation
	predictedValue = "predicted" // by rule, the last date that PredictPostings has processed
)

// A session is the result of a sign-in or refresh.
type session struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	RefreshAt    time.Time `json:"refresh_at"` // when to refresh the session, before ExpiresAt
	ExpiresAt    time.Time `json:"expires_at"`
}

// sessionResponse is the server's response to a sign-in or refresh.
type sessionResponse struct {
	User struct {
		ID    uuid.UUID `json:"id"`
		Email string    `json:"email"`
	} `json:"user"`
	AccessToken  string    `json:"access_token"`
	ExpiresIn    int       `json:"expires_in"`
	RefreshToken string    `json:"refresh_token"`
	DeviceID     uuid.UUID `json:"device_id"`
}

// decode parses the response and checks that it has tokens.
func (s *sessionResponse) decode(a response) error {
	if err := decodeJSON(s)(a); err != nil {
		return err
	}
	if s.AccessToken == "" || s.RefreshToken == "" {
		return errors.New("the response has no tokens")
	}
	return nil
}

// session returns the session to store. The expiry is computed from requestedAt, the time of the device before it sent
// the request, so the clocks of server and device may differ.
func (s *sessionResponse) session(requestedAt time.Time) session {
	life := time.Duration(min(max(s.ExpiresIn, 1), 1<<20)) * time.Second
	return session{
		AccessToken: s.AccessToken, RefreshToken: s.RefreshToken,
		RefreshAt: requestedAt.Add(life - min(time.Minute, life/5)), ExpiresAt: requestedAt.Add(life),
	}
}

// Register creates an account and signs in. It returns ErrOtherAccount if the storage already holds a ledger, and a
// [*Problem] if the server refuses the registration.
func (c *Client) Register(ctx context.Context, reg Registration) error {
	return c.signIn(ctx, "/v1/auth/register", reg)
}

// Login signs in. If the storage holds a ledger of the same account, its rows and queue are kept. If it is of another
// account, Login returns ErrOtherAccount.
func (c *Client) Login(ctx context.Context, credentials Credentials) error {
	return c.signIn(ctx, "/v1/auth/login", credentials)
}

func (c *Client) signIn(ctx context.Context, path string, in any) error {
	if c.ownTokens == nil {
		return errors.New("this client uses the tokens of WithTokens and cannot sign in")
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if _, ok := in.(Registration); ok {
		// A ledger in the storage belongs to an existing account, so it cannot be the ledger of the new one.
		if _, err := c.Account(ctx); err == nil {
			return ErrOtherAccount
		}
	}
	if err := c.ownTokens.sem.lock(ctx); err != nil {
		return err
	}
	defer c.ownTokens.sem.unlock()
	requestedAt := c.now()
	var resp sessionResponse
	// Send the request only once: a retry could create a second account or session.
	err = c.send(ctx, request{
		method: http.MethodPost, path: path, body: body, noToken: true, noRetry: true, decode: resp.decode,
	})
	if err != nil {
		return err
	}
	account := Account{ID: resp.User.ID, Email: resp.User.Email, DeviceID: resp.DeviceID}
	fresh := resp.session(requestedAt)
	err = c.storage.Update(ctx, func(tx Tx) error {
		var stored Account
		if exists, err := getValue(ctx, tx, accountValue, &stored); err != nil {
			return err
		} else if exists && stored.ID != account.ID {
			return ErrOtherAccount
		}
		return errors.Join(putValue(ctx, tx, accountValue, account), putValue(ctx, tx, sessionValue, fresh))
	})
	if err != nil {
		// End the session on the server, because without its tokens in the storage it cannot be used.
		if endErr := c.endSession(ctx, fresh.AccessToken); endErr != nil {
			c.logger.WarnContext(ctx, "a session could neither be stored nor ended; it will expire", "error", endErr)
		}
		return err
	}
	c.ownTokens.current, c.ownTokens.unsaved = fresh, false
	return nil
}

// Account returns the account whose ledger the storage holds. It returns ErrSignedOut if there is none.
func (c *Client) Account(ctx context.Context) (Account, error) {
	var account Account
	err := c.storage.View(ctx, func(tx Tx) error {
		exists, err := getValue(ctx, tx, accountValue, &account)
		if err == nil && !exists {
			err = ErrSignedOut
		}
		return err
	})
	return account, err
}

// Logout ends the session on the server and removes its tokens. Rows and queue are kept; see [Client.ClearStorage]. If
// the server cannot be reached, Logout returns an error and the session stays.
func (c *Client) Logout(ctx context.Context) error {
	if c.ownTokens == nil {
		return errors.New("this client uses the tokens of WithTokens and cannot sign out")
	}
	token, err := c.ownTokens.Token(ctx, "")
	if errors.Is(err, ErrSignedOut) {
		return nil
	}
	if err == nil {
		err = c.endSession(ctx, token)
	}
	if p, ok := errors.AsType[*Problem](err); err != nil && (!ok || p.Status != http.StatusUnauthorized) {
		return err
	}
	if err := c.ownTokens.sem.lock(ctx); err != nil {
		return err
	}
	defer c.ownTokens.sem.unlock()
	return c.ownTokens.removeSession(ctx, c.ownTokens.current.RefreshToken)
}

func (c *Client) endSession(ctx context.Context, token string) error {
	return c.roundTrip(ctx, request{method: http.MethodPost, path: "/v1/auth/logout", decode: func(a response) error {
		if a.status != http.StatusNoContent {
			return fmt.Errorf("unexpected status %d", a.status)
		}
		return nil
	}}, token)
}

// ClearStorage removes everything from the storage: session, rows and queue. Unsent changes are lost. The session on
// the server does not end; see [Client.Logout].
func (c *Client) ClearStorage(ctx context.Context) error {
	if err := c.syncLock.lock(ctx); err != nil {
		return err
	}
	defer c.syncLock.unlock()
	if c.ownTokens != nil {
		if err := c.ownTokens.sem.lock(ctx); err != nil {
			return err
		}
		defer c.ownTokens.sem.unlock()
		c.ownTokens.current, c.ownTokens.unsaved = session{}, false
	}
	return c.storage.Update(ctx, func(tx Tx) error {
		at, err := readPosition(ctx, tx)
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
		for _, name := range []string{accountValue, sessionValue, positionValue, seqValue, predictedValue} {
			err = errors.Join(err, tx.SetValue(ctx, name, nil))
		}
		return err
	})
}

// sessionTokens is the [TokenSource] of a signed-in account.
type sessionTokens struct {
	client *Client

	sem     semaphore // guards the fields below
	current session
	unsaved bool // the last write of current to the storage failed
}

// Token implements [TokenSource]. Only one refresh runs at a time; concurrent callers wait for it.
func (t *sessionTokens) Token(ctx context.Context, rejected string) (string, error) {
	if err := t.sem.lock(ctx); err != nil {
		return "", err
	}
	defer t.sem.unlock()
	usable := func() bool {
		return t.current.AccessToken != "" && t.current.AccessToken != rejected && t.client.now().Before(t.current.RefreshAt)
	}
	if t.unsaved {
		t.save(ctx)
	}
	if usable() {
		return t.current.AccessToken, nil
	}
	if !t.unsaved {
		// Another process that shares the storage may have refreshed the session.
		var stored session
		err := t.client.storage.View(ctx, func(tx Tx) error {
			_, err := getValue(ctx, tx, sessionValue, &stored)
			return err
		})
		if err != nil {
			return "", err
		}
		if t.current = stored; usable() {
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
		return "", errors.Join(err, t.removeSession(ctx, t.current.RefreshToken))
	case t.current.AccessToken != rejected && t.client.now().Before(t.current.ExpiresAt):
		return t.current.AccessToken, nil // an early refresh failed, but the token is still valid
	}
	return "", err
}

const (
	// refreshTimeout limits a refresh with all its attempts. The server accepts the previous refresh token for 30 seconds.
	refreshTimeout = 25 * time.Second
	// refreshAfterCancel is how long a refresh continues after its caller was cancelled, so that its response is not lost.
	refreshAfterCancel = 3 * time.Second
)

// refresh replaces the session and stores it before its first use. After a lost response it sends the same refresh
// token again, which the server accepts for 30 seconds.
func (t *sessionTokens) refresh(ctx context.Context) error {
	refreshCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(refreshAfterCancel, cancel) })
	defer stop()
	body, err := json.Marshal(map[string]string{"refresh_token": t.current.RefreshToken})
	if err != nil {
		return err
	}
	requestedAt := t.client.now()
	var resp sessionResponse
	err = t.client.send(refreshCtx, request{
		method: http.MethodPost, path: "/v1/auth/refresh", body: body, noToken: true, decode: resp.decode,
	})
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusUnauthorized && p.Code == "unauthenticated" {
		return fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	if err != nil {
		return fmt.Errorf("refresh the session: %w", err)
	}
	t.current = resp.session(requestedAt)
	t.save(refreshCtx)
	return nil
}

// save stores the session. After a failure the session is used anyway and stored at the next call of Token.
func (t *sessionTokens) save(ctx context.Context) {
	err := t.client.storage.Update(ctx, func(tx Tx) error { return putValue(ctx, tx, sessionValue, t.current) })
	if t.unsaved = err != nil; t.unsaved {
		t.client.logger.WarnContext(ctx,
			"the session could not be stored; if the process ends now, the user has to sign in again", "error", err)
	}
}

// removeSession removes the session with this refresh token. It keeps a session that another process has stored since.
func (t *sessionTokens) removeSession(ctx context.Context, refreshToken string) error {
	t.current, t.unsaved = session{}, false
	return t.client.storage.Update(ctx, func(tx Tx) error {
		var stored session
		if _, err := getValue(ctx, tx, sessionValue, &stored); err != nil || stored.RefreshToken != refreshToken {
			return err
		}
		return tx.SetValue(ctx, sessionValue, nil)
	})
}

// getValue decodes a stored value and reports whether it exists.
func getValue(ctx context.Context, tx Tx, name string, value any) (bool, error) {
	text, err := tx.Value(ctx, name)
	if err != nil || text == nil {
		return false, err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("stored %s: %w", name, err)
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
