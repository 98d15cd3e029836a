// Package auth says who sends a request. [Authenticator] is its whole interface towards the API's handlers: a host brings its
// own in three lines. [Service] is the bundled one, for local accounts: sign-ups and sign-ins, access tokens of ten minutes,
// and refresh tokens that are replaced at each use.
//
//	host := auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
//		return auth.Identity{Owner: ownerOf(r), Scopes: auth.AllScopes}, nil
//	})
package auth
