package httpapi_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
)

// sharedChecker returns the checker that all tests share.
var sharedChecker = sync.OnceValues(func() (*contracttest.Checker, error) {
	return contracttest.New(httpapi.Contract())
})

// checkContract returns a handler that checks every response of handler against the contract. It returns handler
// unchanged in a benchmark.
func checkContract(t testing.TB, handler http.Handler) http.Handler {
	if _, measured := t.(*testing.B); measured {
		return handler
	}
	checker, err := sharedChecker()
	if err != nil {
		t.Fatal(err)
	}
	return checker.Handler(handler, t.Errorf, coverage.addExchange)
}
