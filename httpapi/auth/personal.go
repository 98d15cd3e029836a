package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

const (
	// PersonalTokenPrefix starts every personal access token, so that users and secret scanners recognise it.
	PersonalTokenPrefix = "swp_"
	// PersonalTokenLifetime is the default lifetime of a personal access token.
	PersonalTokenLifetime = 90 * 24 * time.Hour
	// MaxPersonalTokenLifetime is the longest lifetime of a personal access token.
	MaxPersonalTokenLifetime = 366 * 24 * time.Hour

	maxPersonalTokens = 100
	maxTokenName      = 100
	// lastUsedPrecision is the shortest time between two writes of a token's last use.
	lastUsedPrecision = time.Minute
)

// A PersonalToken describes a personal access token. It does not contain the secret.
type PersonalToken struct {
	ID        uuid.UUID
	Name      string
	Scopes    Scopes
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // to the minute; zero: never used
}

func personalTokenOf(stored accounts.Token) PersonalToken {
	return PersonalToken{
		ID: stored.ID, Name: stored.Name, Scopes: Scopes(stored.Scopes),
		CreatedAt: stored.CreatedAt, ExpiresAt: stored.ExpiresAt, UsedAt: stored.UsedAt,
	}
}

// A PersonalTokenDraft holds the parameters of [Service.CreatePersonalToken].
type PersonalTokenDraft struct {
	Name      string
	Scopes    Scopes    // at least one of LedgerScopes
	ExpiresAt time.Time // at most MaxPersonalTokenLifetime from now; zero: PersonalTokenLifetime from now
}

// Validate returns ErrInvalid with all field errors if the draft is invalid at the time now.
func (draft PersonalTokenDraft) Validate(now time.Time) error {
	var fieldErrs expense.ValidationErrors
	if draft.Name == "" || !isLabel(draft.Name, maxTokenName) {
		fieldErrs.Add("name", "malformed",
			"token name %s is not allowed; give 1 to %d characters of UTF-8 without control characters",
			expense.QuoteText(draft.Name), maxTokenName)
	}
	if draft.Scopes == 0 || !LedgerScopes.Has(draft.Scopes) {
		fieldErrs.Add("scopes", "unknown_value",
			"the token has no scope, or one that tokens cannot have; give one or more of read, write and export")
	}
	expires := draft.ExpiresAt
	if !expires.IsZero() && (!expires.After(now) || expires.After(now.Add(MaxPersonalTokenLifetime))) {
		fieldErrs.Add("expires_at", "out_of_range",
			"expiry %s is out of range; give a time in the future, at most %d days from now",
			expires.Format(time.RFC3339), int(MaxPersonalTokenLifetime.Hours()/24))
	}
	return fieldErrs.Err()
}

// CreatePersonalToken creates a personal access token for the identity's account. The second result is the token
// itself; it cannot be read again. CreatePersonalToken returns ErrInvalid with all field errors if the draft is invalid
// or the account has 100 tokens.
func (s *Service) CreatePersonalToken(
	ctx context.Context, identity Identity, draft PersonalTokenDraft,
) (PersonalToken, string, error) {
	account, err := accountID(identity)
	if err != nil {
		return PersonalToken{}, "", err
	}
	now := expense.Timestamp(s.now())
	draft.ExpiresAt = expense.Timestamp(draft.ExpiresAt)
	if draft.ExpiresAt.IsZero() {
		draft.ExpiresAt = now.Add(PersonalTokenLifetime)
	}
	if err := draft.Validate(now); err != nil {
		return PersonalToken{}, "", err
	}
	stored, err := s.accounts.Tokens(ctx, account)
	if err != nil {
		return PersonalToken{}, "", err
	}
	if len(stored) >= maxPersonalTokens {
		var fieldErrs expense.ValidationErrors
		fieldErrs.Add("", "too_many", "the account has %d tokens, the maximum; delete one first", maxPersonalTokens)
		return PersonalToken{}, "", fieldErrs.Err()
	}
	token := personalToken{account: account, id: uuid.Must(uuid.NewV7())}
	rand.Read(token.secret[:])
	row := accounts.Token{
		ID: token.id, Account: account, Name: draft.Name, Scopes: uint8(draft.Scopes), Secret: token.hash(),
		CreatedAt: now, ExpiresAt: draft.ExpiresAt,
	}
	if err := s.accounts.CreateToken(ctx, row); err != nil {
		return PersonalToken{}, "", erasedError(err)
	}
	return personalTokenOf(row), token.String(), nil
}

// PersonalTokens returns the personal access tokens of the identity's account, including expired ones, oldest first.
func (s *Service) PersonalTokens(ctx context.Context, identity Identity) ([]PersonalToken, error) {
	account, err := accountID(identity)
	if err != nil {
		return nil, err
	}
	stored, err := s.accounts.Tokens(ctx, account)
	tokens := make([]PersonalToken, len(stored))
	for i, token := range stored {
		tokens[i] = personalTokenOf(token)
	}
	return tokens, err
}

// RevokePersonalToken deletes a personal access token of the identity's account: at once on this instance, within 30
// seconds on others. It returns ErrNotFound if the account has no such token.
func (s *Service) RevokePersonalToken(ctx context.Context, identity Identity, id uuid.UUID) error {
	account, err := accountID(identity)
	if err != nil {
		return err
	}
	if err := s.accounts.DeleteToken(ctx, account, id); err != nil {
		return err
	}
	s.personal.markRevoked(id)
	return nil
}

// A personalToken is a decoded token. It contains the primary key of its row and a secret.
type personalToken struct {
	account, id uuid.UUID
	secret      [32]byte
}

const personalTokenSize = 16 + 16 + 32

// parsePersonalToken returns false if text does not have the form of a personal access token.
func parsePersonalToken(text string) (personalToken, bool) {
	raw, ok := decodeOpaque(text, PersonalTokenPrefix, personalTokenSize)
	if !ok {
		return personalToken{}, false
	}
	return personalToken{account: uuid.UUID(raw[:16]), id: uuid.UUID(raw[16:32]), secret: [32]byte(raw[32:])}, true
}

func (t personalToken) String() string {
	return encodeOpaque(PersonalTokenPrefix, t.account[:], t.id[:], t.secret[:])
}

func (t personalToken) hash() accounts.SecretHash { return sha256.Sum256(t.secret[:]) }

// personalTokens verifies personal access tokens and caches them for sessionCacheTTL. A revocation by this instance
// takes effect at once, one by another instance after at most sessionCacheTTL.
type personalTokens struct {
	accounts accounts.Store
	now      func() time.Time
	cache    *cache[uuid.UUID, cachedToken]
}

// A cachedToken is the state of a token at its last lookup.
type cachedToken struct {
	token accounts.Token // zero: the token does not exist
	at    time.Time      // start of the lookup
}

func newPersonalTokens(store accounts.Store, now func() time.Time) *personalTokens {
	return &personalTokens{accounts: store, now: now, cache: newCache[uuid.UUID, cachedToken](sessionCacheSize)}
}

func (p *personalTokens) authenticate(ctx context.Context, token personalToken) (Identity, error) {
	now := p.now()
	last, ok := p.cache.get(token.id)
	if !ok || last.token.Account != token.account || now.Sub(last.at) >= sessionCacheTTL {
		var err error
		if last, err = p.lookup(ctx, token, now); err != nil {
			return Identity{}, err
		}
	}
	stored, hash := last.token, token.hash()
	match := stored.ID == token.id && subtle.ConstantTimeCompare(stored.Secret[:], hash[:]) == 1
	if !match || !now.Before(stored.ExpiresAt) {
		return Identity{}, ErrUnauthenticated
	}
	return Identity{Owner: accounts.Account{ID: stored.Account}.Owner(), Scopes: Scopes(stored.Scopes) & LedgerScopes}, nil
}

// lookup reads a token from the store and records its use. Only a token with the right secret causes a write or is
// cached.
func (p *personalTokens) lookup(ctx context.Context, token personalToken, now time.Time) (cachedToken, error) {
	stored, err := p.accounts.Token(ctx, token.account, token.id)
	if hash := token.hash(); err == nil && subtle.ConstantTimeCompare(stored.Secret[:], hash[:]) != 1 {
		err = expense.ErrNotFound
	}
	if err == nil && now.Sub(stored.UsedAt) >= lastUsedPrecision && now.Before(stored.ExpiresAt) {
		err = p.accounts.RecordTokenUse(ctx, token.account, token.id, expense.Timestamp(now))
	}
	if errors.Is(err, expense.ErrNotFound) {
		return cachedToken{}, nil
	}
	if err != nil {
		return cachedToken{}, err
	}
	fresh := cachedToken{token: stored, at: now}
	p.cache.update(token.id, func(last cachedToken, ok bool) cachedToken {
		if ok && last.token.ID != token.id && !last.at.Before(now) {
			return last // it was revoked while the store was read
		}
		return fresh
	})
	return fresh, nil
}

// markRevoked records in the cache that a token no longer exists.
func (p *personalTokens) markRevoked(id uuid.UUID) {
	p.cache.update(id, func(cachedToken, bool) cachedToken { return cachedToken{at: p.now()} })
}
