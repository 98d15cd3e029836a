package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// PersonalTokenPrefix begins every personal access token, for people and secret scanners.
	PersonalTokenPrefix = "swp_"
	// PersonalTokenLifetime is how long a personal access token lives where nothing else was asked for.
	PersonalTokenLifetime = 90 * 24 * time.Hour
	// MaxPersonalTokenLifetime is how long a personal access token lives at most.
	MaxPersonalTokenLifetime = 366 * 24 * time.Hour

	maxPersonalTokens = 100
	maxTokenName      = 100
	// usedEvery is how exactly the time of the last use is kept.
	usedEvery = time.Minute
)

// A PersonalToken is a personal access token as its person sees it.
type PersonalToken struct {
	ID        uuid.UUID
	Name      string
	Scopes    Scopes
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // to the minute; zero before the first use
}

func personalTokenOf(kept store.Token) PersonalToken {
	return PersonalToken{
		ID: kept.ID, Name: kept.Name, Scopes: Scopes(kept.Scopes), CreatedAt: kept.CreatedAt, ExpiresAt: kept.ExpiresAt, UsedAt: kept.UsedAt,
	}
}

// A PersonalTokenDraft is what a person gives to get a personal access token.
type PersonalTokenDraft struct {
	Name      string
	Scopes    Scopes    // at least one, of LedgerScopes
	ExpiresAt time.Time // zero: PersonalTokenLifetime from now
}

// CreateToken makes a personal access token of the identity's account. The secret is told this once. ErrInvalid, with every
// fault, if the draft is no good.
func (s *Service) CreatePersonalToken(ctx context.Context, who Identity, draft PersonalTokenDraft) (PersonalToken, string, error) {
	account, err := accountOf(who)
	if err != nil {
		return PersonalToken{}, "", err
	}
	now := expense.Timestamp(s.now())
	if draft.ExpiresAt.IsZero() {
		draft.ExpiresAt = now.Add(PersonalTokenLifetime)
	}
	var faults expense.ValidationErrors
	if n := utf8.RuneCountInString(draft.Name); !utf8.ValidString(draft.Name) || n < 1 || n > maxTokenName || strings.ContainsFunc(draft.Name, unicode.IsControl) {
		faults.Add("name", "malformed", "a token's name has 1 to %d characters of UTF-8 without control characters", maxTokenName)
	}
	if draft.Scopes == 0 || !LedgerScopes.Has(draft.Scopes) {
		faults.Add("scopes", "unknown_value", "a token is given at least one of read, write and export")
	}
	if draft.ExpiresAt = expense.Timestamp(draft.ExpiresAt); !draft.ExpiresAt.After(now) || draft.ExpiresAt.After(now.Add(MaxPersonalTokenLifetime)) {
		faults.Add("expires_at", "out_of_range", "a token expires in the future, within %d days", int(MaxPersonalTokenLifetime.Hours()/24))
	}
	if err := faults.Err(); err != nil {
		return PersonalToken{}, "", err
	}
	kept, err := s.accounts.Tokens(ctx, account)
	if err != nil {
		return PersonalToken{}, "", err
	}
	if len(kept) >= maxPersonalTokens {
		faults.Add("", "too_many", "an account has at most %d tokens: delete one first", maxPersonalTokens)
		return PersonalToken{}, "", faults.Err()
	}
	token := personalToken{account: account, id: uuid.Must(uuid.NewV7())}
	rand.Read(token.secret[:])
	made := store.Token{
		ID: token.id, Account: account, Name: draft.Name, Scopes: uint8(draft.Scopes), Secret: token.digest(),
		CreatedAt: now, ExpiresAt: draft.ExpiresAt,
	}
	if err := s.accounts.CreateToken(ctx, made); err != nil {
		return PersonalToken{}, "", err
	}
	return personalTokenOf(made), token.String(), nil
}

// Tokens returns the personal access tokens of the identity's account, expired ones too, oldest first.
func (s *Service) PersonalTokens(ctx context.Context, who Identity) ([]PersonalToken, error) {
	account, err := accountOf(who)
	if err != nil {
		return nil, err
	}
	kept, err := s.accounts.Tokens(ctx, account)
	tokens := make([]PersonalToken, len(kept))
	for i, token := range kept {
		tokens[i] = personalTokenOf(token)
	}
	return tokens, err
}

// DeleteToken revokes a personal access token of the identity's account: here at once, on other instances within half a
// minute. ErrNotFound if the account has none of this id.
func (s *Service) RevokePersonalToken(ctx context.Context, who Identity, id uuid.UUID) error {
	account, err := accountOf(who)
	if err != nil {
		return err
	}
	if err := s.accounts.DeleteToken(ctx, account, id); err != nil {
		return err
	}
	s.personal.deleted(id)
	return nil
}

// A personalToken names its row, so that it is found by the row's keys, and carries the secret that proves it.
type personalToken struct {
	account, id uuid.UUID
	secret      [32]byte
}

const personalBytes = 16 + 16 + 32

// parsePersonalToken reports false for what does not look like a personal access token.
func parsePersonalToken(text string) (personalToken, bool) {
	raw, ok := opaque(text, PersonalTokenPrefix, personalBytes)
	if !ok {
		return personalToken{}, false
	}
	return personalToken{account: uuid.UUID(raw[:16]), id: uuid.UUID(raw[16:32]), secret: [32]byte(raw[32:])}, true
}

func (t personalToken) String() string {
	raw := make([]byte, 0, personalBytes)
	raw = append(raw, t.account[:]...)
	raw = append(raw, t.id[:]...)
	raw = append(raw, t.secret[:]...)
	return PersonalTokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func (t personalToken) digest() store.SecretHash { return sha256.Sum256(t.secret[:]) }

// personal knows personal access tokens as sessions knows devices: a deletion that this instance brings about counts at once,
// one that another brings about within sessionFresh.
type personal struct {
	accounts store.Accounts
	now      func() time.Time
	seen     *cache[uuid.UUID, inspection]
}

// An inspection is what was known of a token when it was last looked up.
type inspection struct {
	token store.Token // the zero value: there is none
	at    time.Time   // when the look-up began
}

func newPersonal(accounts store.Accounts, now func() time.Time) *personal {
	return &personal{accounts: accounts, now: now, seen: newCache[uuid.UUID, inspection](sessionCache)}
}

func (p *personal) authenticate(ctx context.Context, token personalToken) (Identity, error) {
	now := p.now()
	last, ok := p.seen.get(token.id)
	if !ok || last.token.Account != token.account || now.Sub(last.at) >= sessionFresh {
		var err error
		if last, err = p.inspect(ctx, token, now); err != nil {
			return Identity{}, err
		}
	}
	kept, digest := last.token, token.digest()
	if kept.ID != token.id || subtle.ConstantTimeCompare(kept.Secret[:], digest[:]) != 1 || !now.Before(kept.ExpiresAt) {
		return Identity{}, ErrUnauthenticated
	}
	return Identity{Owner: store.Account{ID: kept.Account}.Owner(), Scopes: Scopes(kept.Scopes) & LedgerScopes}, nil
}

// inspect looks a token up and notes its use. Only whoever has the secret makes it write, or take a place among those seen.
func (p *personal) inspect(ctx context.Context, token personalToken, now time.Time) (inspection, error) {
	kept, err := p.accounts.Token(ctx, token.account, token.id)
	if digest := token.digest(); err == nil && subtle.ConstantTimeCompare(kept.Secret[:], digest[:]) != 1 {
		err = expense.ErrNotFound
	}
	if err == nil && now.Sub(kept.UsedAt) >= usedEvery && now.Before(kept.ExpiresAt) {
		err = p.accounts.RecordTokenUse(ctx, token.account, token.id, expense.Timestamp(now))
	}
	if errors.Is(err, expense.ErrNotFound) {
		return inspection{}, nil
	}
	if err != nil {
		return inspection{}, err
	}
	looked := inspection{token: kept, at: now}
	p.seen.update(token.id, func(last inspection, ok bool) inspection {
		if ok && last.token.ID != token.id && !last.at.Before(now) {
			return last // it was deleted while the store was asked
		}
		return looked
	})
	return looked, nil
}

// deleted notes that a token is gone from the store.
func (p *personal) deleted(id uuid.UUID) {
	p.seen.update(id, func(inspection, bool) inspection { return inspection{at: p.now()} })
}
