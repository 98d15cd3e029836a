package httpapi

import (
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// Template converts a path of the routing table to the path syntax of OpenAPI.
func Template(path string) string { return pathTemplate(path) }

// Contract returns the OpenAPI document of an API with all roles and the bundled accounts.
func Contract() []byte {
	return (&api{accounts: new(auth.Service), roles: AllRoles, challenge: defaultChallenge}).serveContract().document
}

// ProblemCodes lists the codes of the table of problems.
func ProblemCodes() []string {
	codes := make([]string, len(problem.Types))
	for i, t := range problem.Types {
		codes[i] = t.Code
	}
	return codes
}
