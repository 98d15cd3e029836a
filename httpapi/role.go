package httpapi

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// Roles are what an instance does, so that each layer scales by itself behind a gateway. Whatever they are, an instance says how it
// is at /healthz and /readyz, and what a problem means.
type Roles uint8

// The roles.
const (
	RoleAPI    Roles = 1 << iota // serves ledgers: everything under /v1 that is not RoleAuth's
	RoleAuth                     // serves accounts: /v1/auth, /v1/me, /v1/devices, /v1/tokens and the public keys
	RoleTicker                   // posts what is due: it serves nothing

	// AllRoles is an instance that does everything.
	AllRoles = RoleAPI | RoleAuth | RoleTicker
)

// Has reports whether every role of want is in r.
func (r Roles) Has(want Roles) bool { return r&want == want }

// names returns the roles as the command's --roles names them.
func (r Roles) names() []string {
	names := []string{}
	for _, role := range []struct {
		role Roles
		name string
	}{{RoleAPI, "api"}, {RoleAuth, "auth"}, {RoleTicker, "ticker"}} {
		if r.Has(role.role) {
			names = append(names, role.name)
		}
	}
	return names
}

// role returns what an instance must be to serve the route; 0: anything.
func (r route) role() Roles {
	for _, accounts := range []string{"/v1/auth/", "/v1/me", "/v1/devices", "/v1/tokens", "/.well-known/"} {
		if strings.HasPrefix(r.path, accounts) {
			return RoleAuth
		}
	}
	if strings.HasPrefix(r.path, "/v1/") {
		return RoleAPI
	}
	return 0
}

// elsewhere returns a handler that says of a path which another instance serves which one that is, and leaves the rest to the next.
func (a *api) roleDisabled() gin.HandlerFunc {
	roles := map[string]Roles{}
	for _, r := range a.allRoutes() {
		if !a.roles.Has(r.role()) {
			roles[resource(r.path)] = r.role()
		}
	}
	return func(g *gin.Context) {
		if role, ok := roles[resource(g.Request.URL.Path)]; ok {
			a.sendError(g, newProblem(codeNotFound, "This instance does not serve that: it has not the role %s. The gateway sends it to one that has.",
				role.names()[0]))
			g.Abort()
		}
	}
}

// resource returns the first two parts of a path, such as "/v1/expenses".
func resource(path string) string {
	if parts := strings.SplitN(path, "/", 4); len(parts) > 3 {
		return strings.Join(parts[:3], "/")
	}
	return path
}
