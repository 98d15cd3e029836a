package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// The keys of values in gin's context.
const (
	requestIDKey   = "request_id"
	clientKey      = "client"
	problemCodeKey = "problem_code" // the code of the problem that the request was answered with
)

// maxRequestID is the maximum length of a request id that a client chooses.
const maxRequestID = 128

// middleware runs around every request. It assigns the request id, sets the security headers, traces and logs the
// request, answers CORS preflights and turns a panic into a response. The log names the pattern of the route, never a
// path, a query or an address.
func (a *api) middleware(g *gin.Context) {
	start := time.Now()
	id := g.Request.Header.Get("X-Request-Id")
	if !ingress.IsToken(id, maxRequestID) {
		id = rand.Text()
	}
	client, header := a.proxies.Client(g.Request), g.Writer.Header()
	g.Set(requestIDKey, id)
	g.Set(clientKey, client)
	header.Set("X-Request-Id", id)
	ingress.SetSecurityHeaders(header, client.Secure)

	span := a.startSpan(g)
	defer func() {
		aborted := a.handlePanic(g, id, recover())
		done := completionOf(g, time.Since(start), aborted)
		endSpan(span, done)
		a.observe(done)
		a.log.LogAttrs(g.Request.Context(), slog.LevelInfo, "request",
			slog.String("method", done.Method), slog.String("route", done.Route), slog.Int("status", done.Status),
			slog.Float64("seconds", done.Duration.Seconds()), slog.String("request_id", id), slog.Bool("cut", aborted))
		if aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	if a.origins.Apply(header, g.Request) {
		header.Del("Cache-Control")
		g.AbortWithStatus(http.StatusNoContent)
		return
	}
	g.Next()
}

// clientOf returns the client of a request.
func clientOf(g *gin.Context) ingress.Client {
	client, _ := g.Value(clientKey).(ingress.Client)
	return client
}

// handlePanic answers a request whose handler panicked with cause, if the response has not started. It reports whether
// the connection must be aborted instead.
func (a *api) handlePanic(g *gin.Context, id string, cause any) (abort bool) {
	if cause == nil {
		return false
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	a.log.ErrorContext(g.Request.Context(), "a handler panicked",
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()), "request_id", id, "route", pathTemplate(g.FullPath()))
	if g.Writer.Written() {
		return true
	}
	g.Set(problemCodeKey, problem.CodeInternal)
	a.sendProblem(g.Writer, g.Request, id, problem.New(problem.CodeInternal, problem.DetailInternal))
	return false
}
