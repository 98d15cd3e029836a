package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// An Event is something that an API or a [Ticker] did; the Observe function of its configuration is told. Whatever an event says
// takes one of few values and names nobody: a route is a template, a code one of a list, and there is no owner, id, path or amount.
type Event interface{ event() }

// A RequestAnswered tells of a request, when all of its answer has been handed over.
type RequestAnswered struct {
	Method string // one that HTTP defines, or "OTHER"
	Route  string // the template, such as "/v1/expenses/{id}"; "" where no route matched
	Status int
	Code   string // of the problem that it was answered with; "" without one
	Took   time.Duration
	Cut    bool // the connection was cut in the middle of the answer
	Gone   bool // the client had gone before it had an answer: nobody has seen the status
}

// The ways in which expenses are added.
const (
	ByRequest = "request"
	BySync    = "sync"
	ByImport  = "import"
	ByRule    = "rule"
)

// An ExpensesAdded tells of expenses that are new and committed. What was there already with the same content is not counted.
type ExpensesAdded struct {
	Way   string // ByRequest, BySync, ByImport or ByRule
	Count int
}

// A ChangePushed tells what became of one change of a device.
type ChangePushed struct {
	Type   string // of the row: "expense", "category", …, or "other"
	Status string // "applied", "merged", …, "conflict", "rejected", or "repeated" for one that was answered before
}

// An ImportEnded tells what became of a file's lines; those of a dry run are told apart.
type ImportEnded struct {
	Added, Known, Ignored, Failed int
	DryRun                        bool
}

// A StreamOpened tells of a client that listens for changes.
type StreamOpened struct{}

// A StreamClosed tells of one that listens no more.
type StreamClosed struct{}

// A PostingEnded tells of one round in which a [Ticker] posted recurring expenses.
type PostingEnded struct {
	Took    time.Duration
	Posted  int // expenses
	Ledgers int // in which something was due
	Failed  int // rules that could not be posted
	Err     error
}

// An AlertingEnded tells of one round in which a [Ticker] raised alerts of budgets.
type AlertingEnded struct {
	Took   time.Duration
	Raised int // alerts
	Err    error
}

func (RequestAnswered) event() {}
func (ExpensesAdded) event()   {}
func (ChangePushed) event()    {}
func (ImportEnded) event()     {}
func (StreamOpened) event()    {}
func (StreamClosed) event()    {}
func (PostingEnded) event()    {}
func (AlertingEnded) event()   {}

// ignore is what nobody who observes is told.
func ignore(Event) {}

// problemCodeKey is where the code of the problem that a request was answered with is kept in gin's context.
const problemCodeKey = "problem_code"

// answered returns what became of a request.
func answered(g *gin.Context, took time.Duration, cut bool) RequestAnswered {
	code := g.GetString(problemCodeKey)
	return RequestAnswered{
		Method: known(g.Request.Method), Route: template(g.FullPath()), Status: g.Writer.Status(), Code: code, Took: took, Cut: cut,
		Gone: (cut || code == codeUnavailable) && g.Request.Context().Err() != nil,
	}
}

// known returns one of the methods that HTTP defines, or "OTHER": a client may make up any number of them.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "OTHER"
	}
}
