package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// An Event is something that an API or a [Ticker] did; the Observe function of its configuration is told. Whatever an event says
// takes one of few values and names nobody: a route is a template, a code one of a list, and there is no owner, id, path or amount.
type Event interface{ event() }

// A RequestCompleted tells of a request, when all of its answer has been handed over.
type RequestCompleted struct {
	Method     string // one that HTTP defines, or "OTHER"
	Route      string // the template, such as "/v1/expenses/{id}"; "" where no route matched
	Status     int
	Code       string // of the problem that it was answered with; "" without one
	Duration   time.Duration
	Aborted    bool // the connection was cut in the middle of the answer
	ClientGone bool // the client had gone before it had an answer: nobody has seen the status
}

// The ways in which expenses are added.
const (
	SourceRequest = "request"
	SourceSync    = "sync"
	SourceImport  = "import"
	SourceRule    = "rule"
)

// An ExpensesAdded tells of expenses that are new and committed. What was there already with the same content is not counted.
type ExpensesAdded struct {
	Source string // SourceRequest, SourceSync, SourceImport or SourceRule
	Count  int
}

// A ChangePushed tells what became of one change of a device.
type ChangePushed struct {
	Type   string // of the row: "expense", "category", …, or "other"
	Status string // "applied", "merged", …, "conflict", "rejected", or "repeated" for one that was answered before
}

// An ImportCompleted tells what became of a file's lines; those of a dry run are told apart.
type ImportCompleted struct {
	Added, Existing, Skipped, Failed int
	DryRun                           bool
}

// A StreamOpened tells of a client that listens for changes.
type StreamOpened struct{}

// A StreamClosed tells of one that listens no more.
type StreamClosed struct{}

// A PostingCompleted tells of one round in which a [Ticker] posted recurring expenses.
type PostingCompleted struct {
	Duration time.Duration
	Posted   int // expenses
	Ledgers  int // in which something was due
	Failed   int // rules that could not be posted
	Err      error
}

// An AlertingCompleted tells of one round in which a [Ticker] raised alerts of budgets.
type AlertingCompleted struct {
	Duration time.Duration
	Raised   int // alerts
	Err      error
}

func (RequestCompleted) event()  {}
func (ExpensesAdded) event()     {}
func (ChangePushed) event()      {}
func (ImportCompleted) event()   {}
func (StreamOpened) event()      {}
func (StreamClosed) event()      {}
func (PostingCompleted) event()  {}
func (AlertingCompleted) event() {}

// ignore is what nobody who observes is told.
func discardEvent(Event) {}

// answered returns what became of a request.
func completionOf(g *gin.Context, took time.Duration, cut bool) RequestCompleted {
	code := g.GetString(problemCodeKey)
	return RequestCompleted{
		Method: standardMethod(g.Request.Method), Route: pathTemplate(g.FullPath()), Status: g.Writer.Status(), Code: code, Duration: took, Aborted: cut,
		ClientGone: (cut || code == codeUnavailable) && g.Request.Context().Err() != nil,
	}
}

// known returns one of the methods that HTTP defines, or "OTHER": a client may make up any number of them.
func standardMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "OTHER"
	}
}
