package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// The life of a session.
const (
	// SessionIdle is how long a session lives without a refresh.
	SessionIdle = 30 * 24 * time.Hour
	// SessionLife is how long a session lives at most.
	SessionLife = 180 * 24 * time.Hour

	// refreshGrace is how long the refresh token before the current one still works, for an answer that was lost.
	refreshGrace = 30 * time.Second
)

// Config is what a Service is made with.
type Config struct {
	KEK                []byte           // seals the signing keys; see [LoadOrCreateKEK]
	Issuer             string           // iss of the access tokens; empty: "spendwise"
	Audience           string           // aud of the access tokens; empty: "spendwise"
	RegistrationClosed bool             // nobody registers by themselves
	Logger             *slog.Logger     // nil: nothing is logged
	Now                func() time.Time // nil: time.Now
}

// Service signs local accounts in and out, and is the Authenticator of the access tokens that it makes. Any number of
// instances may work on one store.
type Service struct {
	users    *Users
	accounts store.Accounts
	sessions *sessions
	tokens   *tokens
	closed   bool
	logger   *slog.Logger
	now      func() time.Time
}

var _ Authenticator = (*Service)(nil)

// New returns a Service for the users. It signs with a key that the store keeps, sealed by config.KEK; an instance that can
// open none of those kept makes its own, and accepts what the others sign.
func New(ctx context.Context, users *Users, config Config) (*Service, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	for _, name := range []*string{&config.Issuer, &config.Audience} {
		if *name == "" {
			*name = "spendwise"
		}
	}
	ring, err := newKeyring(ctx, users.accounts, config.KEK, config.Logger, config.Now)
	if err != nil {
		return nil, err
	}
	return &Service{
		users: users, accounts: users.accounts, closed: config.RegistrationClosed, logger: config.Logger, now: config.Now,
		sessions: newSessions(users.accounts, config.Now),
		tokens:   newTokens(ring, config.Issuer, config.Audience, config.Now),
	}, nil
}

// A Session is what a client gets when it has signed in or refreshed: two secrets, and whom they stand for.
type Session struct {
	User         User
	Device       uuid.UUID
	AccessToken  string        // for the Authorization header, as a Bearer token
	ExpiresIn    time.Duration // how long the access token is good for
	RefreshToken string        // for one Refresh
}

// LogValue keeps the secrets out of logs.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", s.User.ID.String()), slog.String("device", s.Device.String()))
}

// Register makes an account with its ledger, and signs it in. ErrRegistrationClosed if people may not do that by themselves;
// for the other errors see [Users.Add].
func (s *Service) Register(ctx context.Context, reg Registration) (Session, error) {
	if s.closed {
		return Session{}, ErrRegistrationClosed
	}
	account, err := s.users.add(ctx, reg)
	if err != nil {
		return Session{}, err
	}
	return s.signIn(ctx, account, reg.DeviceName)
}

// A Login is what a person gives to sign in.
type Login struct {
	Email      string
	Password   string
	DeviceName string
}

// Login signs a person in on a new device. ErrCredentials if the e-mail address or the password is wrong, with nothing, not
// even the time it takes, that tells which; ErrInvalid if the device's name is no good one.
func (s *Service) Login(ctx context.Context, login Login) (Session, error) {
	var faults expense.Faults
	checkDeviceName(&faults, login.DeviceName)
	if err := faults.Err(); err != nil {
		return Session{}, err
	}
	account, err := s.users.verify(ctx, login.Email, login.Password)
	if err != nil {
		return Session{}, err
	}
	return s.signIn(ctx, account, login.DeviceName)
}

func (s *Service) signIn(ctx context.Context, account store.Account, deviceName string) (Session, error) {
	now := expense.Instant(s.now())
	token := newRefreshToken(account.ID, uuid.Must(uuid.NewV7()))
	device := store.Device{
		ID: token.device, Account: account.ID, Name: deviceName, CreatedAt: now, SeenAt: now,
		Refresh: store.Refresh{Family: token.familyDigest(), Current: token.digest(), RotatedAt: now, ExpiresAt: now.Add(SessionIdle)},
	}
	if err := s.accounts.CreateDevice(ctx, device, account.PasswordHash); err != nil {
		return Session{}, credentialsIfChanged(err)
	}
	return s.session(account, token)
}

func (s *Service) session(account store.Account, token refreshToken) (Session, error) {
	access, err := s.tokens.sign(account.ID, token.device)
	if err != nil {
		return Session{}, fmt.Errorf("sign an access token: %w", err)
	}
	return Session{
		User: userOf(account), Device: token.device,
		AccessToken: access, ExpiresIn: AccessTokenLife, RefreshToken: token.String(),
	}, nil
}

// Refresh returns a new access token and the successor of a refresh token, which replaces it. The token just before the
// current one works for 30 seconds more and gives the same successor, so that a lost answer or a second tab signs nobody out.
// One that is older is in two hands: the session ends. ErrSession if the token is of no use.
func (s *Service) Refresh(ctx context.Context, text string) (Session, error) {
	token, ok := parseRefreshToken(text)
	if !ok {
		return Session{}, ErrSession
	}
	successor, err := s.rotate(ctx, token)
	if errors.Is(err, expense.ErrStale) {
		// Another request rotated the token since it was read. It is the previous one now, or even older.
		successor, err = s.rotate(ctx, token)
	}
	if err != nil {
		return Session{}, sessionIfOver(err)
	}
	account, err := s.accounts.Account(ctx, token.account)
	if err != nil {
		return Session{}, sessionIfOver(err)
	}
	return s.session(account, successor)
}

func (s *Service) rotate(ctx context.Context, token refreshToken) (refreshToken, error) {
	device, err := s.accounts.Device(ctx, token.account, token.device)
	if err != nil {
		return refreshToken{}, err
	}
	now, kept := expense.Instant(s.now()), device.Refresh
	if device.Ended() || !now.Before(kept.ExpiresAt) || token.familyDigest() != kept.Family {
		return refreshToken{}, ErrSession
	}
	switch token.digest() {
	case kept.Current:
		next := store.Refresh{
			Family: kept.Family, Previous: kept.Current, RotatedAt: now,
			ExpiresAt: earlier(now.Add(SessionIdle), device.CreatedAt.Add(SessionLife)),
		}
		rand.Read(next.Salt[:])
		successor := token.successor(next.Salt)
		next.Current = successor.digest()
		return successor, s.accounts.RotateRefresh(ctx, token.account, token.device, kept.Current, next, now)
	case kept.Previous:
		if now.Sub(kept.RotatedAt) <= refreshGrace {
			return token.successor(kept.Salt), nil
		}
	}
	if err := s.sessions.end(ctx, token.account, token.device); err != nil {
		return refreshToken{}, err
	}
	s.logger.WarnContext(ctx, "a refresh token was used again after it had been replaced, perhaps by a thief: the session is ended",
		"account", token.account, "device", token.device)
	return refreshToken{}, ErrSession
}

// sessionIfOver returns ErrSession in place of what the store says of a session or an account that is gone.
func sessionIfOver(err error) error {
	if errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrStale) {
		return ErrSession
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Logout ends the session that the identity belongs to; that it has ended is no error. ErrForbidden if it belongs to none.
func (s *Service) Logout(ctx context.Context, who Identity) error {
	account, err := accountOf(who)
	if err != nil || who.Device == uuid.Nil {
		return fmt.Errorf("no session to sign out of: %w", ErrForbidden)
	}
	if err := s.sessions.end(ctx, account, who.Device); !errors.Is(err, expense.ErrNotFound) {
		return err
	}
	return nil
}

// Me returns the account of the identity; ErrNotFound if it is no local one.
func (s *Service) Me(ctx context.Context, who Identity) (User, error) {
	id, err := accountOf(who)
	if err != nil {
		return User{}, err
	}
	account, err := s.accounts.Account(ctx, id)
	return userOf(account), err
}

func accountOf(who Identity) (uuid.UUID, error) {
	id, err := uuid.Parse(string(who.Owner))
	if err != nil || id.String() != string(who.Owner) {
		return uuid.Nil, fmt.Errorf("local account of this owner: %w", expense.ErrNotFound)
	}
	return id, nil
}

// Authenticate implements Authenticator for the access tokens of this Service: one Bearer token in the Authorization header,
// whose session has not ended. Every other request gets the same ErrUnauthenticated.
func (s *Service) Authenticate(r *http.Request) (Identity, error) {
	given, err := s.tokens.verify(r.Context(), bearer(r))
	if err != nil {
		return Identity{}, err
	}
	live, err := s.sessions.live(r.Context(), given.account, given.device)
	if err != nil {
		return Identity{}, err
	}
	if !live {
		return Identity{}, ErrUnauthenticated
	}
	return Identity{Owner: store.Account{ID: given.account}.Owner(), Scopes: AllScopes, Device: given.device}, nil
}
