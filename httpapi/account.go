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
	doc, err := read[registerInput](c)
	if err != nil {
		return err
	}
	in := doc.value
	if len(doc.faults) > 0 {
		// Nothing may be made of a request with faults, so what the service would find is not known.
		return faulty(codeValidation, doc.faults...)
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
			Email: orEmpty(in.Email), Password: orEmpty(in.Password), DeviceName: orEmpty(in.DeviceName),
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
	doc, err := read[T](c)
	if err != nil {
		return err
	}
	if len(doc.faults) > 0 {
		return faulty(codeValidation, doc.faults...)
	}
	session, err := fn(c.ctx, doc.value)
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
	user, err := c.api.accounts.Me(c.ctx, c.identity)
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newUserBody(user)})
}
