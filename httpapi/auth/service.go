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
	"github.com/spendwise/spendwise/store/accounts"
)

// The lifetime of a session.
const (
	// SessionIdleTimeout is how long a session lasts without a refresh.
	SessionIdleTimeout = 30 * 24 * time.Hour
	// SessionAbsoluteTimeout is the longest lifetime of a session.
	SessionAbsoluteTimeout = 180 * 24 * time.Hour

	// previousTokenLifetime is how long the previous refresh token remains valid, in case the response with its successor
	// was lost.
	previousTokenLifetime = 30 * time.Second
)

// Config configures a Service.
type Config struct {
	KEK                 []byte           // key-encryption key of the signing keys; see [LoadOrCreateKEK]
	VerifyOnly          bool             // verify tokens only; sign-ins return ErrUnavailable; KEK must be nil
	KeyRotationInterval time.Duration    // time between new signing keys, at least 2 * KeyActivationDelay; 0: no rotation
	KeyActivationDelay  time.Duration    // how long a key is published before it signs; 0: [DefaultKeyActivationDelay]
	Issuer              string           // iss claim of the access tokens; empty: "spendwise"
	Audience            string           // aud claim of the access tokens; empty: "spendwise"
	RegistrationClosed  bool             // Register returns ErrRegistrationClosed
	DisableThrottling   bool             // do not throttle failed sign-ins
	Logger              *slog.Logger     // nil: no logging
	Now                 func() time.Time // nil: time.Now
}

// Service manages the sessions and tokens of local accounts. It is the [Authenticator] for its own access tokens and
// for personal access tokens. Any number of instances may share a store; each of them should call [Service.Run]. A
// Service is safe for concurrent use.
type Service struct {
	users              *Users
	accounts           accounts.Store
	sessions           *sessions
	tokens             *accessTokens
	personal           *personalTokens
	rotationInterval   time.Duration
	registrationClosed bool
	throttlingDisabled bool
	logger             *slog.Logger
	now                func() time.Time
}

var _ Authenticator = (*Service)(nil)

// New returns a Service for the accounts of users. It signs with a key from the store that config.KEK decrypts. If
// there is none, New creates one. It verifies the tokens of all instances that share the store. New returns an error if
// the configuration is invalid or the keys cannot be read.
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
		config.KeyActivationDelay = DefaultKeyActivationDelay
	}
	delay, interval := config.KeyActivationDelay, config.KeyRotationInterval
	switch {
	case delay < 0:
		return nil, fmt.Errorf("key activation delay %s is negative; use 0 for the default of %s",
			delay, DefaultKeyActivationDelay)
	case interval < 0 || interval > 0 && interval < 2*delay:
		return nil, fmt.Errorf("key rotation interval %s is too short for an activation delay of %s; use at least %s or 0",
			interval, delay, 2*delay)
	case config.VerifyOnly && config.KEK != nil:
		return nil, errors.New("an instance with VerifyOnly must not have a key-encryption key; remove one of the two")
	case !config.VerifyOnly:
		if err := checkKEK(config.KEK); err != nil {
			return nil, err
		}
	}
	ring, err := newKeyring(ctx, users.accounts, config)
	if err != nil {
		return nil, err
	}
	return &Service{
		users: users, accounts: users.accounts, rotationInterval: config.KeyRotationInterval,
		registrationClosed: config.RegistrationClosed, throttlingDisabled: config.DisableThrottling,
		logger: config.Logger, now: config.Now,
		sessions: newSessions(users.accounts, config.Now),
		tokens:   newAccessTokens(ring, config.Issuer, config.Audience, config.Now),
		personal: newPersonalTokens(users.accounts, config.Now),
	}, nil
}

// maintenanceInterval is the longest time between two maintenance steps of Run. It is shorter than keyCacheTTL, so that
// Run reloads the keys before they expire.
const maintenanceInterval = keyCacheTTL / 2

// Run performs background maintenance until ctx ends: it rotates the signing keys, loads keys that other instances have
// created, and completes erasures. Run it on every instance; no leader election is needed.
func (s *Service) Run(ctx context.Context) {
	every := maintenanceInterval
	if s.rotationInterval > 0 {
		every = max(min(every, s.rotationInterval/8), 10*time.Millisecond)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for first := true; ; first = false {
		err := errors.Join(s.tokens.ring.maintain(ctx), s.users.finishErasures(ctx, first))
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "maintenance of signing keys and accounts failed and will be retried", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// JWKS returns the public keys of all instances as a JSON Web Key Set (RFC 7517).
func (s *Service) JWKS(ctx context.Context) []byte { return s.tokens.ring.current(ctx).jwks }

// Ready returns ErrUnavailable if the instance cannot verify access tokens, or cannot sign them although it has a KEK.
// When the store works again, Ready returns nil within a second.
func (s *Service) Ready(ctx context.Context) error {
	state := s.tokens.ring.current(ctx)
	switch {
	case s.now().Sub(state.loadedAt) >= 2*keyCacheTTL:
		return fmt.Errorf("%w: the signing keys cannot be read", expense.ErrUnavailable)
	case len(state.public) == 0, s.tokens.ring.kek != nil && state.signingKeyID == "":
		return fmt.Errorf("%w: no signing key is active", expense.ErrUnavailable)
	}
	return nil
}

// A Session is the result of a sign-in or refresh.
type Session struct {
	User         User
	Device       uuid.UUID
	AccessToken  string        // Bearer token for the Authorization header
	ExpiresIn    time.Duration // lifetime of the access token
	RefreshToken string        // valid for one call of Refresh
}

// LogValue implements [slog.LogValuer] and omits the tokens.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", s.User.ID.String()), slog.String("device", s.Device.String()))
}

// Register creates an account with its ledger and signs it in. It returns ErrRegistrationClosed if
// [Config.RegistrationClosed] is set, and otherwise the errors of [Users.Add].
func (s *Service) Register(ctx context.Context, reg Registration) (Session, error) {
	if s.registrationClosed {
		return Session{}, ErrRegistrationClosed
	}
	account, err := s.users.add(ctx, reg)
	if err != nil {
		return Session{}, err
	}
	return s.signIn(ctx, account, reg.DeviceName)
}

func (s *Service) signIn(ctx context.Context, account accounts.Account, deviceName string) (Session, error) {
	now := expense.Timestamp(s.now())
	token := newRefreshToken(account.ID, uuid.Must(uuid.NewV7()))
	device := accounts.Device{
		ID: token.device, Account: account.ID, Name: deviceName, CreatedAt: now, SeenAt: now,
		Refresh: accounts.RefreshTokens{
			Family: token.familyHash(), Current: token.hash(), RotatedAt: now, ExpiresAt: now.Add(SessionIdleTimeout),
		},
	}
	if err := s.accounts.CreateDevice(ctx, device, account.PasswordHash); err != nil {
		return Session{}, credentialsError(err)
	}
	return s.session(ctx, account, token)
}

func (s *Service) session(ctx context.Context, account accounts.Account, token refreshToken) (Session, error) {
	access, err := s.tokens.sign(ctx, account.ID, token.device)
	if err != nil {
		return Session{}, fmt.Errorf("sign an access token: %w", err)
	}
	return Session{
		User: userOf(account), Device: token.device,
		AccessToken: access, ExpiresIn: AccessTokenLifetime, RefreshToken: token.String(),
	}, nil
}

// Refresh returns a new access token and a new refresh token in place of the given one. For 30 seconds the previous
// refresh token of a session still works and returns the same successor. Any use of an older one ends the session,
// because it may have been stolen. Refresh returns ErrSessionEnded if the token is invalid or the session has ended.
func (s *Service) Refresh(ctx context.Context, text string) (Session, error) {
	token, ok := parseRefreshToken(text)
	if !ok {
		return Session{}, ErrSessionEnded
	}
	successor, err := s.rotate(ctx, token)
	if errors.Is(err, expense.ErrStale) {
		// A concurrent request has rotated the token. It is now the previous token or older.
		successor, err = s.rotate(ctx, token)
	}
	if err != nil {
		return Session{}, sessionError(err)
	}
	account, err := s.accounts.Account(ctx, token.account)
	if err != nil {
		return Session{}, sessionError(err)
	}
	return s.session(ctx, account, successor)
}

func (s *Service) rotate(ctx context.Context, token refreshToken) (refreshToken, error) {
	device, err := s.accounts.Device(ctx, token.account, token.device)
	if err != nil {
		return refreshToken{}, err
	}
	now, stored := expense.Timestamp(s.now()), device.Refresh
	if device.Ended() || !now.Before(stored.ExpiresAt) || token.familyHash() != stored.Family {
		return refreshToken{}, ErrSessionEnded
	}
	switch token.hash() {
	case stored.Current:
		next := accounts.RefreshTokens{
			Family: stored.Family, Previous: stored.Current, RotatedAt: now,
			ExpiresAt: earlier(now.Add(SessionIdleTimeout), device.CreatedAt.Add(SessionAbsoluteTimeout)),
		}
		rand.Read(next.Salt[:])
		successor := token.successor(next.Salt)
		next.Current = successor.hash()
		return successor, s.accounts.RotateRefresh(ctx, token.account, token.device, stored.Current, next, now)
	case stored.Previous:
		if now.Sub(stored.RotatedAt) <= previousTokenLifetime {
			return token.successor(stored.Salt), nil
		}
	}
	if err := s.sessions.end(ctx, token.account, token.device); err != nil {
		return refreshToken{}, err
	}
	s.logger.WarnContext(ctx, "ended a session because a replaced refresh token, perhaps stolen, was used again",
		"account", token.account, "device", token.device)
	return refreshToken{}, ErrSessionEnded
}

// sessionError returns ErrSessionEnded for ErrNotFound and ErrStale, and any other error unchanged.
func sessionError(err error) error {
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

// Authenticate implements [Authenticator] for the access tokens of this Service and for personal access tokens, sent as
// one Bearer token in the Authorization header. It returns ErrUnauthenticated for every other request and for ended
// sessions.
func (s *Service) Authenticate(r *http.Request) (Identity, error) {
	text := bearerToken(r)
	if token, ok := parsePersonalToken(text); ok {
		return s.personal.authenticate(r.Context(), token)
	}
	access, err := s.tokens.verify(r.Context(), text)
	if err != nil {
		return Identity{}, err
	}
	active, err := s.sessions.isActive(r.Context(), access.account, access.device)
	if err != nil {
		return Identity{}, err
	}
	if !active {
		return Identity{}, ErrUnauthenticated
	}
	return Identity{Owner: accounts.Account{ID: access.account}.Owner(), Scopes: AllScopes, Device: access.device}, nil
}
