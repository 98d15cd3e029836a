package httpapi

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// Roles is a set of roles of an instance. Instances with different roles can share a store, so that each role scales
// separately behind a gateway. Every instance serves /healthz, /readyz, /problems and the contract.
type Roles uint8

// The roles.
const (
	RoleAPI    Roles = 1 << iota // serves ledgers: the routes under /v1 that RoleAuth does not serve
	RoleAuth                     // serves accounts: /v1/auth, /v1/me, /v1/devices, /v1/tokens and the public keys
	RoleTicker                   // runs a Ticker; adds no routes

	AllRoles = RoleAPI | RoleAuth | RoleTicker
)

// Has reports whether r contains every role in want.
func (r Roles) Has(want Roles) bool { return r&want == want }

// names returns the names of the roles in the --roles flag of the command.
func (r Roles) names() []string {
	names := []string{}
	for i, name := range []string{"api", "auth", "ticker"} {
		if r.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// roleDisabled returns a handler for requests that match no route. It answers with a problem that names the role if an
// instance with another role serves the resource.
func (a *api) roleDisabled() gin.HandlerFunc {
	roles := map[string]Roles{}
	for _, r := range a.allRoutes() {
		if !a.roles.Has(r.role) {
			roles[resource(r.path)] = r.role
		}
	}
	return func(g *gin.Context) {
		if role, ok := roles[resource(g.Request.URL.Path)]; ok {
			a.sendError(g, problem.New(problem.CodeNotFound,
				"This instance does not serve the role %q; route the request to one that does.", role.names()[0]))
			g.Abort()
		}
	}
}

// resource returns the first two segments of a path, such as "/v1/expenses".
func resource(path string) string {
	if parts := strings.SplitN(path, "/", 4); len(parts) > 3 {
		return strings.Join(parts[:3], "/")
	}
	return path
}
