package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// scopeNames are the names of the scopes in the contract.
var scopeNames = map[auth.Scopes]string{
	auth.ScopeRead: "read", auth.ScopeWrite: "write", auth.ScopeExport: "export", auth.ScopeAccount: "account",
}

// tokenScopes lists the scopes that a personal access token can have.
var tokenScopes = [...]auth.Scopes{auth.ScopeRead, auth.ScopeWrite, auth.ScopeExport}

// tokenBody is a personal access token in a response.
type tokenBody struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Token      string     `json:"token,omitzero"` // the secret; only in the response that creates the token
}

func newTokenBody(t auth.PersonalToken) tokenBody {
	body := tokenBody{
		ID: t.ID.String(), Name: t.Name, Scopes: []string{}, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
	}
	for _, scope := range tokenScopes {
		if t.Scopes.Has(scope) {
			body.Scopes = append(body.Scopes, scopeNames[scope])
		}
	}
	if !t.UsedAt.IsZero() {
		body.LastUsedAt = &t.UsedAt
	}
	return body
}

// tokenInput creates a personal access token.
type tokenInput struct {
	Name      *string  `json:"name" validate:"required,min=1"`
	Scopes    []string `json:"scopes" validate:"required,min=1,max=3,dive,oneof=read write export"`
	ExpiresAt *string  `json:"expires_at" validate:"omitnil,min=1"`
}

// postToken handles POST /v1/tokens.
func (c *call) postToken() error {
	validate := func(draft auth.PersonalTokenDraft) error { return draft.Validate(c.now) }
	return withBody(c, validate, func(in tokenInput) auth.PersonalTokenDraft {
		draft := auth.PersonalTokenDraft{Name: orEmpty(in.Name)}
		if text := orEmpty(in.ExpiresAt); text != "" {
			var err error
			if draft.ExpiresAt, err = time.Parse(time.RFC3339, text); err != nil {
				c.errs.AddNew(problem.FieldError{
					Pointer: "#/expires_at", Code: "malformed",
					Detail: fmt.Sprintf("The expiry %s is not a time of RFC 3339; write it like %s.", expense.QuoteText(text),
						c.now.Add(auth.PersonalTokenLifetime).UTC().Truncate(time.Second).Format(time.RFC3339)),
				})
			}
		}
		for _, scope := range tokenScopes {
			if slices.Contains(in.Scopes, scopeNames[scope]) {
				draft.Scopes |= scope
			}
		}
		return draft
	}, func(draft auth.PersonalTokenDraft) (result, error) {
		token, secret, err := c.api.accounts.CreatePersonalToken(c.ctx, c.identity, draft)
		body := newTokenBody(token)
		body.Token = secret
		return result{status: http.StatusCreated, location: "/v1/tokens/" + body.ID, body: body}, err
	})
}

// listTokens handles GET /v1/tokens. It lists all tokens of the account on one page.
func (c *call) listTokens() error {
	tokens, err := c.api.accounts.PersonalTokens(c.ctx, c.identity)
	if err != nil {
		return err
	}
	data := make([]tokenBody, len(tokens))
	for i, token := range tokens {
		data[i] = newTokenBody(token)
	}
	return sendPage(c, "/v1/tokens", data, "")
}

// deleteToken handles DELETE /v1/tokens/{id}. It revokes a token.
func (c *call) deleteToken() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.noContent(problem.WithRow(problem.TokenType, id, c.api.accounts.RevokePersonalToken(c.ctx, c.identity, id)))
}
