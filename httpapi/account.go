package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// userBody is an account in a response.
type userBody struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

func newUserBody(u auth.User) userBody {
	return userBody{ID: u.ID.String(), Email: u.Email, CreatedAt: u.CreatedAt}
}

// sessionBody is the response to a registration, a login or a refresh.
type sessionBody struct {
	User         userBody `json:"user"`
	AccessToken  string   `json:"access_token"`
	TokenType    string   `json:"token_type"`
	ExpiresIn    int      `json:"expires_in"` // seconds
	RefreshToken string   `json:"refresh_token"`
	DeviceID     string   `json:"device_id"`
}

func newSessionBody(s auth.Session) sessionBody {
	return sessionBody{
		User: newUserBody(s.User), AccessToken: s.AccessToken, TokenType: "Bearer", ExpiresIn: int(s.ExpiresIn / time.Second),
		RefreshToken: s.RefreshToken, DeviceID: s.Device.String(),
	}
}

// registerInput creates an account and the settings of its ledger. The service checks the required members, so that it
// reports all field errors together.
type registerInput struct {
	Email        *string `json:"email"`
	Password     *string `json:"password"`
	HomeCurrency *string `json:"home_currency" validate:"omitnil,min=1"`
	TimeZone     *string `json:"time_zone" validate:"omitnil,min=1"`
	Locale       *string `json:"locale" validate:"omitnil,min=1"`
	DeviceName   *string `json:"device_name"`
}

// register handles POST /v1/auth/register.
func (c *call) register() error {
	return withBody(c, auth.Registration.Validate, func(in registerInput) auth.Registration {
		return auth.Registration{
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName),
			Settings: expense.SettingsDraft{HomeCurrency: in.HomeCurrency, TimeZone: in.TimeZone, Locale: in.Locale},
		}
	}, func(registration auth.Registration) (result, error) {
		session, err := c.api.accounts.Register(c.ctx, registration)
		return result{status: http.StatusCreated, location: "/v1/me", body: newSessionBody(session)},
			explainTakenEmail(registration.Email, err)
	})
}

// loginInput holds the credentials of a user.
type loginInput struct {
	Email      *string `json:"email" validate:"required,min=1"`
	Password   *string `json:"password" validate:"required,min=1"`
	DeviceName *string `json:"device_name"`
}

// login handles POST /v1/auth/login.
func (c *call) login() error {
	return withBody(c, auth.Login.Validate, func(in loginInput) auth.Login {
		return auth.Login{
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName), Address: c.address(),
		}
	}, func(login auth.Login) (result, error) {
		session, err := c.api.accounts.Login(c.ctx, login)
		return result{body: newSessionBody(session)}, err
	})
}

// refreshInput holds the refresh token of a session.
type refreshInput struct {
	RefreshToken *string `json:"refresh_token" validate:"required,min=1"`
}

// refresh handles POST /v1/auth/refresh.
func (c *call) refresh() error {
	return withBody(c, nil, func(in refreshInput) refreshInput { return in }, func(in refreshInput) (result, error) {
		session, err := c.api.accounts.Refresh(c.ctx, *in.RefreshToken)
		return result{body: newSessionBody(session)}, err
	})
}

// logout handles POST /v1/auth/logout. It ends the session of the access token.
func (c *call) logout() error {
	if err := c.errs.Err(); err != nil {
		return err
	}
	return c.noContent(c.api.accounts.Logout(c.ctx, c.identity))
}

// me handles GET /v1/me.
func (c *call) me() error {
	user, err := c.api.accounts.User(c.ctx, c.identity)
	if err != nil {
		return err
	}
	return c.send(result{body: newUserBody(user)})
}

// mePatch changes the e-mail address of an account. It needs the password, because the address is a credential.
type mePatch struct {
	Email           *string `json:"email" validate:"required,min=1"`
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
}

// patchMe handles PATCH /v1/me.
func (c *call) patchMe() error {
	return withBody(c, auth.EmailChange.Validate, func(in mePatch) auth.EmailChange {
		return auth.EmailChange{Email: orEmpty(in.Email), Password: orEmpty(in.CurrentPassword), Address: c.address()}
	}, func(change auth.EmailChange) (result, error) {
		user, err := c.api.accounts.ChangeEmail(c.ctx, c.identity, change)
		return result{body: newUserBody(user)}, explainTakenEmail(change.Email, err)
	})
}

// explainTakenEmail returns a problem that names the e-mail address if err is expense.ErrExists, else err.
func explainTakenEmail(email string, err error) error {
	if !errors.Is(err, expense.ErrExists) {
		return err
	}
	p := problem.New(problem.CodeAlreadyExists,
		"Another account has the e-mail address %s; log in to it, or give another address.",
		expense.QuoteText(email))
	p.Cause = err
	return p
}

// passwordInput changes the password.
type passwordInput struct {
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
	NewPassword     *string `json:"new_password" validate:"required,min=1"`
}

// putPassword handles PUT /v1/me/password. It ends all other sessions of the account.
func (c *call) putPassword() error {
	return withBody(c, auth.PasswordChange.Validate, func(in passwordInput) auth.PasswordChange {
		return auth.PasswordChange{
			Current: orEmpty(in.CurrentPassword), New: orEmpty(in.NewPassword), Address: c.address(),
		}
	}, func(change auth.PasswordChange) (result, error) {
		return result{status: http.StatusNoContent}, c.api.accounts.ChangePassword(c.ctx, c.identity, change)
	})
}

// eraseInput confirms the erasure of an account.
type eraseInput struct {
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
}

// eraseMe handles POST /v1/me/erase. It erases the account and its ledger.
func (c *call) eraseMe() error {
	return withBody(c, nil, func(in eraseInput) eraseInput { return in }, func(in eraseInput) (result, error) {
		err := c.api.accounts.EraseAccount(c.ctx, c.identity, *in.CurrentPassword, c.address())
		return result{status: http.StatusNoContent}, err
	})
}

// publicKeys handles GET /.well-known/jwks.json. A new key is published longer before its first use than clients may
// cache the response.
func (c *call) publicKeys() error {
	header := c.Writer.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("Cache-Control", "public, max-age=300")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := c.Writer.Write(c.api.accounts.JWKS(c.ctx))
	return err
}

// withBody decodes the body, converts it to the request of a use case, calls do and sends the result. If the call has
// field errors, it adds those that validate returns, unless validate is nil, and does not call do.
func withBody[In, Request any](
	c *call, validate func(r Request) error, convert func(in In) Request, do func(r Request) (result, error),
) error {
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	r := convert(doc.value)
	if !c.errs.Empty() {
		if validate == nil {
			return c.errs.Err()
		}
		return c.errs.With(validate(r))
	}
	res, err := do(r)
	if err != nil {
		return err
	}
	return c.send(res)
}

// noContent sends 204, or returns err if it is not nil.
func (c *call) noContent(err error) error {
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusNoContent})
}
