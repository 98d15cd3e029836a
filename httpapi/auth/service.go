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
	// SessionIdleTimeout is how long a session lives without a refresh.
	SessionIdleTimeout = 30 * 24 * time.Hour
	// SessionAbsoluteTimeout is how long a session lives at most.
	SessionAbsoluteTimeout = 180 * 24 * time.Hour

	// refreshGrace is how long the refresh token before the current one still works, for an answer that was lost.
	refreshGrace = 30 * time.Second
)

// Config is what a Service is made with.
type Config struct {
	KEK                 []byte           // seals the signing keys; see [LoadOrCreateKEK]
	VerifyOnly          bool             // this instance has no KEK: it accepts tokens and sessions, and signs nobody in
	KeyRotationInterval time.Duration    // how often [Service.Run] makes a new signing key, at least twice KeyActivationDelay; 0: never by itself
	KeyActivationDelay  time.Duration    // how long a signing key is published before it signs; 0: [KeyActivationDelay]
	Issuer              string           // iss of the access tokens; empty: "spendwise"
	Audience            string           // aud of the access tokens; empty: "spendwise"
	RegistrationClosed  bool             // nobody registers by themselves
	DisableThrottling   bool             // failures to sign in have no consequence
	Logger              *slog.Logger     // nil: nothing is logged
	Now                 func() time.Time // nil: time.Now
}

// Service signs local accounts in and out, and is the Authenticator of the access tokens that it makes and of personal access
// tokens. Any number of instances may work on one store; each should run [Service.Run].
type Service struct {
	users       *Users
	accounts    store.Accounts
	sessions    *sessions
	tokens      *tokens
	personal    *personal
	rotation    time.Duration
	closed      bool
	unthrottled bool
	logger      *slog.Logger
	now         func() time.Time
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
	if config.KeyActivationDelay == 0 {
		config.KeyActivationDelay = KeyActivationDelay
	}
	switch {
	case config.KeyActivationDelay < 0 || config.KeyRotationInterval < 0 || config.KeyRotationInterval > 0 && config.KeyRotationInterval < 2*config.KeyActivationDelay:
		return nil, fmt.Errorf("a signing key is published %s before it signs, so they rotate every %s at most, not %s; 0: by command only",
			config.KeyActivationDelay, 2*config.KeyActivationDelay, config.KeyRotationInterval)
	case config.VerifyOnly && config.KEK != nil:
		return nil, errors.New("an instance that only verifies is given no key-encryption key")
	case !config.VerifyOnly && len(config.KEK) != KEKSize:
		return nil, fmt.Errorf("a key-encryption key has %d bytes, this one has %d", KEKSize, len(config.KEK))
	}
	ring, err := newKeyring(ctx, users.accounts, config)
	if err != nil {
		return nil, err
	}
	return &Service{
		users: users, accounts: users.accounts, rotation: config.KeyRotationInterval,
		closed: config.RegistrationClosed, unthrottled: config.DisableThrottling, logger: config.Logger, now: config.Now,
		sessions: newSessions(users.accounts, config.Now),
		tokens:   newTokens(ring, config.Issuer, config.Audience, config.Now),
		personal: newPersonal(users.accounts, config.Now),
	}, nil
}

// keepEvery is how often Keep looks for what is due: twice before what is cached is too old to go by.
const keepEvery = keysFresh / 2

// Keep does what has to be done now and then, until ctx ends: it rotates the signing keys by schedule, takes up those that the
// command or another instance made, and finishes erasures. It needs no leader: every instance runs it.
func (s *Service) Run(ctx context.Context) {
	every := keepEvery
	if s.rotation > 0 {
		every = max(min(every, s.rotation/8), 10*time.Millisecond)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for first := true; ; first = false {
		err := errors.Join(s.tokens.ring.maintain(ctx), s.users.finishErasures(ctx, first))
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "the upkeep of keys and accounts failed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// PublicKeys returns the public keys of all instances as a JSON Web Key Set (RFC 7517).
func (s *Service) JWKS(ctx context.Context) []byte { return s.tokens.ring.current(ctx).jwks }

// Ready says whether tokens can be verified, and signed unless this instance only verifies: ErrUnavailable if not. A store that
// answers again is noticed within a second.
func (s *Service) Ready(ctx context.Context) error {
	state := s.tokens.ring.current(ctx)
	switch {
	case s.now().Sub(state.read) >= 2*keysFresh:
		return fmt.Errorf("%w: the signing keys cannot be read", expense.ErrUnavailable)
	case len(state.public) == 0, s.tokens.ring.kek != nil && state.signer == "":
		return fmt.Errorf("%w: there is no signing key yet", expense.ErrUnavailable)
	}
	return nil
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

func (s *Service) signIn(ctx context.Context, account store.Account, deviceName string) (Session, error) {
	now := expense.Timestamp(s.now())
	token := newRefreshToken(account.ID, uuid.Must(uuid.NewV7()))
	device := store.Device{
		ID: token.device, Account: account.ID, Name: deviceName, CreatedAt: now, SeenAt: now,
		Refresh: store.RefreshTokens{Family: token.familyDigest(), Current: token.digest(), RotatedAt: now, ExpiresAt: now.Add(SessionIdleTimeout)},
	}
	if err := s.accounts.CreateDevice(ctx, device, account.PasswordHash); err != nil {
		return Session{}, credentialsIfChanged(err)
	}
	return s.session(ctx, account, token)
}

func (s *Service) session(ctx context.Context, account store.Account, token refreshToken) (Session, error) {
	access, err := s.tokens.sign(ctx, account.ID, token.device)
	if err != nil {
		return Session{}, fmt.Errorf("sign an access token: %w", err)
	}
	return Session{
		User: userOf(account), Device: token.device,
		AccessToken: access, ExpiresIn: AccessTokenLifetime, RefreshToken: token.String(),
	}, nil
}

// Refresh returns a new access token and the successor of a refresh token, which replaces it. The token just before the
// current one works for 30 seconds more and gives the same successor, so that a lost answer or a second tab signs nobody out.
// One that is older is in two hands: the session ends. ErrSessionEnded if the token is of no use.
func (s *Service) Refresh(ctx context.Context, text string) (Session, error) {
	token, ok := parseRefreshToken(text)
	if !ok {
		return Session{}, ErrSessionEnded
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
	return s.session(ctx, account, successor)
}

func (s *Service) rotate(ctx context.Context, token refreshToken) (refreshToken, error) {
	device, err := s.accounts.Device(ctx, token.account, token.device)
	if err != nil {
		return refreshToken{}, err
	}
	now, kept := expense.Timestamp(s.now()), device.Refresh
	if device.Ended() || !now.Before(kept.ExpiresAt) || token.familyDigest() != kept.Family {
		return refreshToken{}, ErrSessionEnded
	}
	switch token.digest() {
	case kept.Current:
		next := store.RefreshTokens{
			Family: kept.Family, Previous: kept.Current, RotatedAt: now,
			ExpiresAt: earlier(now.Add(SessionIdleTimeout), device.CreatedAt.Add(SessionAbsoluteTimeout)),
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
	return refreshToken{}, ErrSessionEnded
}

// sessionIfOver returns ErrSessionEnded in place of what the store says of a session or an account that is gone.
func sessionIfOver(err error) error {
	if errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrStale) {
		return ErrSessionEnded
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Authenticate implements Authenticator for the access tokens of this Service and for personal access tokens: one Bearer token
// in the Authorization header, whose session has not ended. Every other request gets the same ErrUnauthenticated.
func (s *Service) Authenticate(r *http.Request) (Identity, error) {
	text := bearer(r)
	if token, ok := parsePersonalToken(text); ok {
		return s.personal.authenticate(r.Context(), token)
	}
	given, err := s.tokens.verify(r.Context(), text)
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
