package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

// userBody is an account as answers carry it.
type userBody struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

func newUserBody(u auth.User) userBody {
	return userBody{ID: u.ID.String(), Email: u.Email, CreatedAt: u.CreatedAt}
}

// sessionBody is what a sign-in is answered with.
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

// registerInput is a new account with its ledger's settings. What must be there the service checks, together with the rest.
type registerInput struct {
	Email        *string `json:"email"`
	Password     *string `json:"password"`
	HomeCurrency *string `json:"home_currency" validate:"omitnil,min=1"`
	TimeZone     *string `json:"time_zone" validate:"omitnil,min=1"`
	Locale       *string `json:"locale" validate:"omitnil,min=1"`
	DeviceName   *string `json:"device_name"`
}

// loginInput are a person's credentials.
type loginInput struct {
	Email      *string `json:"email" validate:"required,min=1"`
	Password   *string `json:"password" validate:"required,min=1"`
	DeviceName *string `json:"device_name"`
}

// refreshInput is a session's secret.
type refreshInput struct {
	RefreshToken *string `json:"refresh_token" validate:"required,min=1"`
}

// register answers POST /v1/auth/register.
func (c *call) register() error {
	// Nothing may be made of a request with faults, so what the service would find is not known.
	in, err := readValid[registerInput](c)
	if err != nil {
		return err
	}
	session, err := c.api.accounts.Register(c.ctx, auth.Registration{
		Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName),
		Settings: expense.SettingsDraft{HomeCurrency: in.HomeCurrency, TimeZone: in.TimeZone, Locale: in.Locale},
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusCreated, location: "/v1/me", body: newSessionBody(session)})
}

// login answers POST /v1/auth/login.
func (c *call) login() error {
	return signIn(c, func(ctx context.Context, in loginInput) (auth.Session, error) {
		return c.api.accounts.Login(ctx, auth.Login{
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName), Address: c.address(),
		})
	})
}

// refresh answers POST /v1/auth/refresh.
func (c *call) refresh() error {
	return signIn(c, func(ctx context.Context, in refreshInput) (auth.Session, error) {
		return c.api.accounts.Refresh(ctx, orEmpty(in.RefreshToken))
	})
}

// signIn answers with the session that fn opens for the body's credentials.
func signIn[T any](c *call, fn func(ctx context.Context, in T) (auth.Session, error)) error {
	in, err := readValid[T](c)
	if err != nil {
		return err
	}
	session, err := fn(c.ctx, in)
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newSessionBody(session)})
}

// logout answers POST /v1/auth/logout: the session that the access token belongs to ends.
func (c *call) logout() error {
	if err := c.api.accounts.Logout(c.ctx, c.identity); err != nil {
		return err
	}
	return c.send(result{status: http.StatusNoContent})
}

// me answers GET /v1/me.
func (c *call) me() error {
	user, err := c.api.accounts.User(c.ctx, c.identity)
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newUserBody(user)})
}

// mePatch changes the account. The e-mail address takes the password, as a sign-in does.
type mePatch struct {
	Email           *string `json:"email" validate:"required,min=1"`
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
}

// patchMe answers PATCH /v1/me.
func (c *call) patchMe() error {
	in, err := readValid[mePatch](c)
	if err != nil {
		return err
	}
	user, err := c.api.accounts.ChangeEmail(c.ctx, c.identity, auth.EmailChange{
		Email: *in.Email, Password: *in.CurrentPassword, Address: c.address(),
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newUserBody(user)})
}

// passwordInput is a change of the password.
type passwordInput struct {
	CurrentPassword *string `json:"current_password" validate:"required,min=1"`
	NewPassword     *string `json:"new_password" validate:"required,min=1"`
}

// putPassword answers PUT /v1/me/password: the other devices are signed out.
func (c *call) putPassword() error {
	in, err := readValid[passwordInput](c)
	if err != nil {
		return err
	}
	err = c.api.accounts.ChangePassword(c.ctx, c.identity, auth.PasswordChange{
		Current: *in.CurrentPassword, New: *in.NewPassword, Address: c.address(),
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusNoContent})
}

// eraseInput confirms that everything is to go.
type eraseInput struct {
	Password *string `json:"password" validate:"required,min=1"`
}

// eraseMe answers POST /v1/me/erase: the account goes with all that it owns.
func (c *call) eraseMe() error {
	in, err := readValid[eraseInput](c)
	if err != nil {
		return err
	}
	if err := c.api.accounts.EraseAccount(c.ctx, c.identity, *in.Password, c.address()); err != nil {
		return err
	}
	return c.send(result{status: http.StatusNoContent})
}

// publicKeys answers GET /.well-known/jwks.json. A key is published longer ahead of its use than this answer may be kept.
func (c *call) publicKeys() error {
	header := c.Writer.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("Cache-Control", "public, max-age=300")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := c.Writer.Write(c.api.accounts.JWKS(c.ctx))
	return err
}

// whole takes the body for a T whose shape is right.
func readValid[T any](c *call) (T, error) {
	doc, err := read[T](c)
	if err == nil && len(doc.fieldErrors) > 0 {
		err = newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	return doc.value, err
}
