package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// An Event reports something that an API or a [Ticker] did. Config.Observe and TickerConfig.Observe receive it, so that
// a host can count it in its metrics. The texts in events come from small fixed sets. Events contain no owner, id,
// path, query, address or amount.
type Event interface{ event() }

// A RequestCompleted reports a request after its response was written.
type RequestCompleted struct {
	Method     string        // a method that RFC 9110 or RFC 5789 defines, or "OTHER"
	Route      string        // the path template, such as "/v1/expenses/{id}"; "" if no route matched
	Status     int           // the HTTP status
	Code       string        // the code of the problem; "" if the response is not a problem
	Duration   time.Duration // from the call of the handler until the response was written
	Aborted    bool          // the server closed the connection before the end of the response
	ClientGone bool          // the client disconnected before the response, so it has not seen Status
}

// The values of ExpensesAdded.Source.
const (
	SourceRequest = "request" // POST or PUT of one expense
	SourceSync    = "sync"    // the push of a device
	SourceImport  = "import"  // an import
	SourceRule    = "rule"    // a recurring rule
)

// An ExpensesAdded reports new expenses after their transaction was committed. It does not count an expense that
// already existed with the same content.
type ExpensesAdded struct {
	Source string // SourceRequest, SourceSync, SourceImport or SourceRule
	Count  int
}

// A ChangePushed reports the result of one change in a push.
type ChangePushed struct {
	Type   string // the type of the row: "expense", "category", …; "other" if the type is unknown
	Status string // "applied", "merged", …, "conflict" or "rejected"; "repeated" for a replay
}

// An ImportCompleted counts the lines of an imported file by their result.
type ImportCompleted struct {
	Added   int  // added as a new expense
	Known   int  // in the ledger since an earlier import, or deleted there since
	Ignored int  // left out by the mapping
	Failed  int  // not valid
	DryRun  bool // nothing was written; a real import would have the same numbers
}

// A StreamOpened reports that a client opened an event stream.
type StreamOpened struct{}

// A StreamClosed reports the end of an event stream.
type StreamClosed struct{}

// A PostingCompleted reports a round of a [Ticker] that posted recurring expenses.
type PostingCompleted struct {
	Duration time.Duration
	Posted   int   // expenses
	Ledgers  int   // ledgers in which a rule was due
	Failed   int   // rules that could not be posted
	Err      error // why the round is incomplete; nil if it is complete
}

// An AlertingCompleted reports a round of a [Ticker] that raised budget alerts.
type AlertingCompleted struct {
	Duration time.Duration
	Raised   int   // alerts
	Err      error // why the round is incomplete; nil if it is complete
}

func (RequestCompleted) event()  {}
func (ExpensesAdded) event()     {}
func (ChangePushed) event()      {}
func (ImportCompleted) event()   {}
func (StreamOpened) event()      {}
func (StreamClosed) event()      {}
func (PostingCompleted) event()  {}
func (AlertingCompleted) event() {}

// discardEvent is the default of Config.Observe.
func discardEvent(Event) {}

// completionOf returns the event of a request whose response was written or aborted.
func completionOf(g *gin.Context, duration time.Duration, aborted bool) RequestCompleted {
	code := g.GetString(problemCodeKey)
	return RequestCompleted{
		Method: standardMethod(g.Request.Method), Route: pathTemplate(g.FullPath()), Status: g.Writer.Status(), Code: code,
		Duration: duration, Aborted: aborted,
		ClientGone: (aborted || code == problem.CodeUnavailable) && g.Request.Context().Err() != nil,
	}
}

// standardMethod returns method if it is a standard method, and "OTHER" if not. A client could otherwise create any
// number of values of a metric label.
func standardMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "OTHER"
	}
}
