package httpapi

import (
	"net/http"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
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
	return withBody(c, func(in registerInput) (result, error) {
		session, err := c.api.accounts.Register(c.ctx, auth.Registration{
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName),
			Settings: expense.SettingsDraft{HomeCurrency: in.HomeCurrency, TimeZone: in.TimeZone, Locale: in.Locale},
		})
		return result{status: http.StatusCreated, location: "/v1/me", body: newSessionBody(session)}, err
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
	return withBody(c, func(in loginInput) (result, error) {
		session, err := c.api.accounts.Login(c.ctx, auth.Login{
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName), Address: c.address(),
		})
		return result{body: newSessionBody(session)}, err
	})
}

// refreshInput holds the refresh token of a session.
type refreshInput struct {
	RefreshToken *string `json:"refresh_token" validate:"required,min=1"`
}

// refresh handles POST /v1/auth/refresh.
func (c *call) refresh() error {
	return withBody(c, func(in refreshInput) (result, error) {
		session, err := c.api.accounts.Refresh(c.ctx, orEmpty(in.RefreshToken))
		return result{body: newSessionBody(session)}, err
	})
}

// logout handles POST /v1/auth/logout. It ends the session of the access token.
func (c *call) logout() error {
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
	return withBody(c, func(in mePatch) (result, error) {
		user, err := c.api.accounts.ChangeEmail(c.ctx, c.identity, auth.EmailChange{
			Email: *in.Email, Password: *in.CurrentPassword, Address: c.address(),
		})
		return result{body: newUserBody(user)}, err
	})
}

// passwordInput changes the password.
type passwordInput struct {
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
	NewPassword     *string `json:"new_password" validate:"required,min=1"`
}

// putPassword handles PUT /v1/me/password. It ends all other sessions of the account.
func (c *call) putPassword() error {
	return withBody(c, func(in passwordInput) (result, error) {
		return result{status: http.StatusNoContent}, c.api.accounts.ChangePassword(c.ctx, c.identity, auth.PasswordChange{
			Current: *in.CurrentPassword, New: *in.NewPassword, Address: c.address(),
		})
	})
}

// eraseInput confirms the erasure of an account.
type eraseInput struct {
	Password *string `json:"password" validate:"required,min=1"`
}

// eraseMe handles POST /v1/me/erase. It erases the account and its ledger.
func (c *call) eraseMe() error {
	return withBody(c, func(in eraseInput) (result, error) {
		err := c.api.accounts.EraseAccount(c.ctx, c.identity, *in.Password, c.address())
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

// withBody decodes the body, calls fn and sends the result. If the body has field errors, it does not call fn.
func withBody[In any](c *call, fn func(in In) (result, error)) error {
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	if len(doc.fieldErrors) > 0 {
		return newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	res, err := fn(doc.value)
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
