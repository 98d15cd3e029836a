package httpapi

import "github.com/spendwise/spendwise/httpapi/auth"

// A Route is a row of the router's own table.
type Route struct {
	Method, Path string
	Scope        auth.Scopes
}

// Routes lists everything that an API with local accounts serves, HEAD left out.
func Routes() []Route {
	var routes []Route
	for _, r := range (&api{accounts: new(auth.Service)}).table() {
		routes = append(routes, Route{r.method, r.path, r.scope})
	}
	return routes
}
