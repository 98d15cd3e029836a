package httpapi

import (
	"github.com/spendwise/spendwise/httpapi/auth"
)

// A Route is a row of the routing table.
type Route struct {
	Method, Path string
	Scope        auth.Scopes
	Class        string   // rate class
	Query        []string // query parameters; one that may be repeated ends in "*"
}

// Routes returns the routing table of an API with local accounts. It does not list HEAD.
func Routes() []Route {
	var routes []Route
	for _, r := range (&api{accounts: new(auth.Service)}).allRoutes() {
		routes = append(routes, Route{r.method, r.path, r.scope, r.class.String(), r.query})
	}
	return routes
}
