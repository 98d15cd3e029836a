package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// maxResponseBytes limits the body of a response after decompression.
	maxResponseBytes = 64 << 20
	// maxProblemBytes limits the body of an error response.
	maxProblemBytes = 1 << 20
	// requestTimeout limits one request including its response.
	requestTimeout = time.Minute

	minBackoff = 500 * time.Millisecond
	maxBackoff = time.Minute
	// maxRetryWait is the longest wait between two attempts. If Retry-After asks for more, the call fails with the
	// Problem.
	maxRetryWait = 30 * time.Second
)

// A Client is one device of a ledger. It is safe for concurrent use.
type Client struct {
	options
	base       *url.URL
	http       *http.Client
	streamHTTP *http.Client   // no timeout
	ownTokens  *sessionTokens // tokens from Login and Register; nil with WithTokens

	syncLock semaphore     // one push or pull at a time
	changed  chan struct{} // signals Run that a mutation was queued
}

type options struct {
	httpClient     *http.Client
	storage        Storage
	tokens         TokenSource
	now            func() time.Time
	logger         *slog.Logger
	maxAttempts    int
	pageSize       int
	batchSize      int
	pollInterval   time.Duration
	allowPlainHTTP bool
	onConflict     func(context.Context, Conflict) Decision
	onRejected     func(context.Context, Rejection)
}

// An Option configures a Client; see [New].
type Option func(*options)

// WithHTTPClient sends requests through hc. Redirects are never followed, because the API has none.
func WithHTTPClient(hc *http.Client) Option { return func(o *options) { o.httpClient = hc } }

// WithStorage stores session, rows and queue in s. The default is a new [MemoryStorage].
func WithStorage(s Storage) Option { return func(o *options) { o.storage = s } }

// WithTokens authenticates with tokens of the host, such as a [StaticToken]. Login, Register and Logout then return an
// error.
func WithTokens(source TokenSource) Option { return func(o *options) { o.tokens = source } }

// WithClock sets the clock. It determines when a token is refreshed and the default date of an expense. It never
// determines which of two changes wins. The default is [time.Now].
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithLogger logs the retries of Run and Events, and sessions that could not be stored. The default discards them.
func WithLogger(logger *slog.Logger) Option { return func(o *options) { o.logger = logger } }

// WithMaxAttempts sets how often a request is sent before its call fails with a temporary error; the default is 4. Run
// itself retries without limit.
func WithMaxAttempts(n int) Option { return func(o *options) { o.maxAttempts = max(n, 1) } }

// WithPageSize sets how many rows a page of a pull has at most, from 1 to 1,000; the default is 1,000. Values outside
// the range are clamped.
func WithPageSize(n int) Option { return func(o *options) { o.pageSize = min(max(n, 1), 1000) } }

// WithPushBatchSize sets how many mutations a push sends at once, from 1 to 100; the default is 100. Values outside the
// range are clamped.
func WithPushBatchSize(n int) Option { return func(o *options) { o.batchSize = min(max(n, 1), 100) } }

// WithPollInterval sets how often Run synchronises without an event or a local change; the default is 5 minutes, the
// minimum 1 second.
func WithPollInterval(every time.Duration) Option {
	return func(o *options) { o.pollInterval = max(every, time.Second) }
}

// WithPlainHTTP permits http URLs of other hosts. Passwords and tokens are then sent unencrypted.
func WithPlainHTTP() Option { return func(o *options) { o.allowPlainHTTP = true } }

// WithConflictHandler sets the function that decides conflicts. Push, Sync and Run call it and send nothing else until
// it returns. It may read and queue changes, but must not push, pull or sync. Without it, or if it returns the zero
// Decision, the conflict waits in [Client.Conflicts] for [Client.ResolveConflict].
func WithConflictHandler(decide func(context.Context, Conflict) Decision) Option {
	return func(o *options) { o.onConflict = decide }
}

// WithRejectionHandler sets a function that is called for each mutation that the server has rejected.
// [Client.Rejections] lists it until it is dismissed.
func WithRejectionHandler(report func(context.Context, Rejection)) Option {
	return func(o *options) { o.onRejected = report }
}

// New returns a Client of the server at baseURL, to which the API's paths are appended. It returns an error if the URL
// is not of the form https://host/path. Plain http is accepted for loopback addresses, and for others only with
// [WithPlainHTTP].
func New(baseURL string, opts ...Option) (*Client, error) {
	o := options{
		now: time.Now, logger: slog.New(slog.DiscardHandler),
		maxAttempts: 4, pageSize: 1000, batchSize: 100, pollInterval: 5 * time.Minute,
	}
	for _, opt := range opts {
		opt(&o)
	}
	base, err := url.Parse(strings.TrimRight(baseURL, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("base URL: %w", err)
	case base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil ||
		base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("base URL %q is invalid; use the form https://host/path", base.Redacted())
	case base.Scheme == "http" && !o.allowPlainHTTP && !isLoopback(base.Hostname()):
		return nil, fmt.Errorf("base URL %s would send passwords unencrypted; use https or the option WithPlainHTTP", base)
	}
	if o.storage == nil {
		o.storage = NewMemoryStorage()
	}
	hc := http.Client{}
	if o.httpClient != nil {
		hc = *o.httpClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	streamHTTP := hc
	streamHTTP.Timeout = 0
	c := &Client{
		options: o, base: base, http: &hc, streamHTTP: &streamHTTP,
		syncLock: newSemaphore(), changed: make(chan struct{}, 1),
	}
	if c.tokens == nil {
		c.ownTokens = &sessionTokens{client: c, sem: newSemaphore()}
		c.tokens = c.ownTokens
	}
	return c, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A request describes an API call. It may be sent several times.
type request struct {
	method, path   string
	query          url.Values
	body           []byte
	idempotencyKey string // header Idempotency-Key
	lastEventID    string // header Last-Event-ID
	noRetry        bool   // do not retry, because the call is not idempotent
	noToken        bool   // send no access token
	decode         func(response) error
	stream         func(http.Header, io.Reader) error // replaces decode; its errors are not retried
}

// A response is a successful response.
type response struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request until it succeeds, fails permanently, or maxAttempts is reached.
func (c *Client) send(ctx context.Context, r request) error {
	for attempt := 1; ; attempt++ {
		err := c.sendWithToken(ctx, r)
		if err == nil || r.noRetry || attempt >= c.maxAttempts || ctx.Err() != nil || !retryable(err) {
			return err
		}
		pause := backoff(attempt)
		if p, ok := errors.AsType[*Problem](err); ok && p.RetryAfter > 0 {
			if p.RetryAfter > maxRetryWait {
				return err
			}
			pause = max(pause, withJitter(p.RetryAfter))
		}
		if sleepErr := sleep(ctx, pause); sleepErr != nil {
			return errors.Join(sleepErr, err)
		}
	}
}

// sendWithToken sends a request with an access token. If the server rejects the token, it tries once more with a new
// one.
func (c *Client) sendWithToken(ctx context.Context, r request) error {
	if r.noToken {
		return c.roundTrip(ctx, r, "")
	}
	token, err := c.tokens.Token(ctx, "")
	if err != nil {
		return err
	}
	err = c.roundTrip(ctx, r, token)
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != http.StatusUnauthorized {
		return err
	}
	fresh, tokenErr := c.tokens.Token(ctx, token)
	switch {
	case tokenErr != nil:
		return tokenErr
	case fresh == token:
		return fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	return c.roundTrip(ctx, r, fresh)
}

// roundTrip sends a request once. It returns a transportError if the response is missing, incomplete or malformed.
func (c *Client) roundTrip(ctx context.Context, r request, token string) error {
	reqCtx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if r.stream != nil {
		reqCtx = ctx // no timeout
	}
	hr, err := c.newRequest(reqCtx, r, token)
	if err != nil {
		return err
	}
	hc := c.http
	if r.stream != nil {
		hc = c.streamHTTP
	}
	resp, err := hc.Do(hr) //nolint:bodyclose // drain closes it
	if err != nil {
		return &transportError{fmt.Errorf("%s %s: %w", r.method, r.path, err)}
	}
	defer drain(resp.Body)
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	if success && r.stream != nil {
		return r.stream(resp.Header, resp.Body)
	}
	limit := int64(maxResponseBytes)
	if !success {
		limit = maxProblemBytes
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return &transportError{fmt.Errorf("%s %s: the response is incomplete: %w", r.method, r.path, err)}
	case !success:
		return problemOf(resp.StatusCode, resp.Header, body, c.now())
	case int64(len(body)) > limit:
		return fmt.Errorf("%s %s: the response is larger than %d bytes", r.method, r.path, limit)
	case r.decode == nil:
		return nil
	}
	if err := r.decode(response{resp.StatusCode, resp.Header, body}); err != nil {
		return &transportError{fmt.Errorf("%s %s: the response is malformed: %w", r.method, r.path, err)}
	}
	return nil
}

// drain reads the rest of a short body, so that the connection can be reused.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4096)
	_ = body.Close()
}

func (c *Client) newRequest(ctx context.Context, r request, token string) (*http.Request, error) {
	target := *c.base
	target.Path, target.RawPath = "", ""
	text := target.String() + c.base.EscapedPath() + r.path
	if len(r.query) > 0 {
		text += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	hr, err := http.NewRequestWithContext(ctx, r.method, text, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	if r.body != nil {
		hr.Header.Set("Content-Type", "application/json")
	}
	if r.idempotencyKey != "" {
		hr.Header.Set("Idempotency-Key", r.idempotencyKey)
	}
	if r.lastEventID != "" {
		hr.Header.Set("Last-Event-ID", r.lastEventID)
	}
	if token != "" {
		hr.Header.Set("Authorization", "Bearer "+token)
	}
	return hr, nil
}

// decodeJSON returns a function that decodes a response body into value.
func decodeJSON(value any) func(response) error {
	return func(r response) error { return json.Unmarshal(r.body, value) }
}

// Do calls any endpoint of the API, such as GET /v1/reports/monthly?month=2026-03. If input is not nil, Do sends it as
// JSON. It decodes the response into output. If output is an [io.Writer], Do copies the body to it instead. Do returns
// a [*Problem] for an error response. Do retries after temporary errors. A write to the ledger carries an
// Idempotency-Key, so a retry never applies it twice. Do sends a request only once if it is a write to an account, a
// session or a token, or if output is an io.Writer.
func (c *Client) Do(ctx context.Context, method, path string, input, output any) error {
	r := request{method: method, path: path}
	if input != nil {
		body, err := json.Marshal(input)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		r.body = body
	}
	if method != http.MethodGet && method != http.MethodHead {
		r.idempotencyKey = uuid.NewString()
		for _, prefix := range []string{"/v1/auth/", "/v1/me", "/v1/devices", "/v1/tokens"} {
			// The server stores no responses of these endpoints, because they contain secrets.
			r.noRetry = r.noRetry || strings.HasPrefix(path, prefix)
		}
	}
	switch out := output.(type) {
	case nil:
	case io.Writer:
		r.noRetry = true // output may already contain a part of the body
		r.stream = func(_ http.Header, body io.Reader) error {
			_, err := io.Copy(out, body)
			return err
		}
	default:
		r.decode = decodeJSON(out)
	}
	return c.send(ctx, r)
}

// backoff returns the wait after this number of consecutive failures. It grows exponentially and has jitter, so that
// many clients do not send requests at the same moment.
func backoff(failures int) time.Duration {
	return withJitter(min(minBackoff<<min(failures-1, 20), maxBackoff))
}

// withJitter returns a random duration from d to 1.5 d.
func withJitter(d time.Duration) time.Duration {
	return d + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A semaphore is a mutex whose lock can be cancelled.
type semaphore chan struct{}

func newSemaphore() semaphore { return make(semaphore, 1) }

func (s semaphore) lock(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) unlock() { <-s }

// locked calls fn while it holds the semaphore.
func (s semaphore) locked(ctx context.Context, fn func(context.Context) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	return fn(ctx)
}
