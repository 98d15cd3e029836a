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
	// largestAnswer bounds what is read of one answer, after decompression.
	largestAnswer = 64 << 20
	// largestProblem bounds what is read of an answer that is not a success.
	largestProblem = 1 << 20
	// requestTime is how long one request may take, its answer included.
	requestTime = time.Minute

	firstDelay = 500 * time.Millisecond
	lastDelay  = time.Minute
	// longestPause is how long a call waits between two attempts; if the server wants to be left alone for longer, the call fails
	// and says so.
	longestPause = 30 * time.Second
)

// A Client is one device. It is safe for concurrent use.
type Client struct {
	options
	base    *url.URL
	http    *http.Client
	streams *http.Client   // without a limit of time
	own     *sessionTokens // of Login and Register; nil where the host brings its tokens

	syncing chan struct{} // holds a token while a pull or a push is under way
	edited  chan struct{} // holds a token when something was queued
}

type options struct {
	given      *http.Client
	storage    Storage
	tokens     TokenSource
	now        func() time.Time
	logger     *slog.Logger
	attempts   int
	page       int
	batch      int
	poll       time.Duration
	plain      bool
	onConflict func(context.Context, Conflict) Decision
	onRejected func(context.Context, Rejection)
}

// An Option changes how [New] makes a Client.
type Option func(*options)

// WithHTTPClient sends requests through hc, whose redirects are not followed: the API has none. By default a client of its own.
func WithHTTPClient(hc *http.Client) Option { return func(o *options) { o.given = hc } }

// WithStorage keeps session, rows and queue in s. By default they are in memory, and gone with the process.
func WithStorage(s Storage) Option { return func(o *options) { o.storage = s } }

// WithTokens authenticates with tokens of the host's own, such as a [StaticToken], instead of by Login and Register.
func WithTokens(source TokenSource) Option { return func(o *options) { o.tokens = source } }

// WithClock sets the clock. It decides on when a token is refreshed and on the date of an expense that names none; no clock ever
// decides between two changes.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithLogger is told what Run tries again.
func WithLogger(logger *slog.Logger) Option { return func(o *options) { o.logger = logger } }

// WithMaxAttempts sets how often a request is sent before its call fails, if the trouble may pass; by default 4. Run goes on for
// ever all the same.
func WithMaxAttempts(n int) Option { return func(o *options) { o.attempts = max(n, 1) } }

// WithPageSize sets how many rows one page of a pull has at most, 1 to 1,000; by default 1,000.
func WithPageSize(n int) Option { return func(o *options) { o.page = min(max(n, 1), 1000) } }

// WithPushBatchSize sets how many mutations one push has at most, 1 to 100; by default 100.
func WithPushBatchSize(n int) Option { return func(o *options) { o.batch = min(max(n, 1), 100) } }

// WithPollInterval sets how often Run syncs though nothing hints that it should; by default every five minutes.
func WithPollInterval(every time.Duration) Option {
	return func(o *options) { o.poll = max(every, time.Second) }
}

// WithPlainHTTP allows http:// URLs of other machines. Passwords and tokens then travel for everybody on the way to read.
func WithPlainHTTP() Option { return func(o *options) { o.plain = true } }

// WithConflictHandler asks decide about each change that contradicts one which came first. It is called from within Push, Sync and Run: it
// may read and write, but not sync, and nothing else is sent until it returns. The zero Decision leaves the conflict for
// [Client.Conflicts] to list and [Client.ResolveConflict] to settle, which is what happens to all of them by default.
func WithConflictHandler(decide func(context.Context, Conflict) Decision) Option {
	return func(o *options) { o.onConflict = decide }
}

// WithRejectionHandler tells of each change that the server refused for good. [Client.Rejections] lists them until they are dismissed.
func WithRejectionHandler(tell func(context.Context, Rejection)) Option {
	return func(o *options) { o.onRejected = tell }
}

// New returns a Client of the server at baseURL, to which the API's paths are appended.
func New(baseURL string, opts ...Option) (*Client, error) {
	o := options{
		now: time.Now, logger: slog.New(slog.DiscardHandler), attempts: 4, page: 1000, batch: 100, poll: 5 * time.Minute,
	}
	for _, opt := range opts {
		opt(&o)
	}
	base, err := url.Parse(strings.TrimRight(baseURL, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("base URL: %w", err)
	case base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("base URL %q: it is of the form https://host/path", base.Redacted())
	case base.Scheme == "http" && !o.plain && !loopback(base.Hostname()):
		return nil, fmt.Errorf("base URL %s: secrets do not travel unencrypted unless WithPlainHTTP says so", base)
	}
	if o.storage == nil {
		o.storage = NewMemoryStorage()
	}
	hc := http.Client{}
	if o.given != nil {
		hc = *o.given
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	streams := hc
	streams.Timeout = 0
	c := &Client{
		options: o, base: base, http: &hc, streams: &streams,
		syncing: make(chan struct{}, 1), edited: make(chan struct{}, 1),
	}
	if c.tokens == nil {
		c.own = &sessionTokens{client: c, turn: make(chan struct{}, 1)}
		c.tokens = c.own
	}
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A request is what is sent, as often as it takes.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	key          string // the Idempotency-Key
	last         string // the Last-Event-ID
	once         bool   // sending it again might do it twice
	open         bool   // it carries no token
	decode       func(answer) error
	stream       func(http.Header, io.Reader) error // takes the body instead of decode; what it has taken is not sent again
}

// An answer is a success.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request until it is answered, trouble is there to stay, or attempts are used up.
func (c *Client) send(ctx context.Context, r request) error {
	for attempt := 1; ; attempt++ {
		err := c.authorised(ctx, r)
		if err == nil || r.once || attempt >= c.attempts || ctx.Err() != nil || !passing(err) {
			return err
		}
		pause := backoff(attempt)
		if p, ok := errors.AsType[*Problem](err); ok && p.RetryAfter > 0 {
			if p.RetryAfter > longestPause {
				return err
			}
			pause = max(pause, jittered(p.RetryAfter))
		}
		if stopped := sleep(ctx, pause); stopped != nil {
			return errors.Join(stopped, err)
		}
	}
}

// authorised sends a request with a token. One that the server does not take is replaced once; there is no loop.
func (c *Client) authorised(ctx context.Context, r request) error {
	if r.open {
		return c.exchange(ctx, r, "")
	}
	token, err := c.tokens.Token(ctx, "")
	if err != nil {
		return err
	}
	err = c.exchange(ctx, r, token)
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != http.StatusUnauthorized {
		return err
	}
	fresh, refused := c.tokens.Token(ctx, token)
	switch {
	case refused != nil:
		return refused
	case fresh == token:
		return fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	return c.exchange(ctx, r, fresh)
}

// exchange sends a request once and reads its answer. Whatever is cut off, garbled or too large is an interruption.
func (c *Client) exchange(ctx context.Context, r request, token string) error {
	within, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if r.stream != nil {
		within = ctx // it takes as long as it takes
	}
	hr, err := c.newRequest(within, r, token)
	if err != nil {
		return err
	}
	hc := c.http
	if r.stream != nil {
		hc = c.streams
	}
	resp, err := hc.Do(hr) //nolint:bodyclose // drain closes it
	if err != nil {
		return &interruption{fmt.Errorf("%s %s: %w", r.method, r.path, err)}
	}
	defer drain(resp.Body)
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	if success && r.stream != nil {
		return r.stream(resp.Header, resp.Body)
	}
	limit := int64(largestAnswer)
	if !success {
		limit = largestProblem
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return &interruption{fmt.Errorf("%s %s: the answer broke off: %w", r.method, r.path, err)}
	case !success:
		return problemOf(resp.StatusCode, resp.Header, body, c.now())
	case int64(len(body)) > limit:
		return fmt.Errorf("%s %s: the answer has more than %d bytes", r.method, r.path, limit)
	case r.decode == nil:
		return nil
	}
	if err := r.decode(answer{resp.StatusCode, resp.Header, body}); err != nil {
		return &interruption{fmt.Errorf("%s %s: the answer makes no sense: %w", r.method, r.path, err)}
	}
	return nil
}

// drain lets the connection be used again if little is left to read.
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
	if r.key != "" {
		hr.Header.Set("Idempotency-Key", r.key)
	}
	if r.last != "" {
		hr.Header.Set("Last-Event-ID", r.last)
	}
	if token != "" {
		hr.Header.Set("Authorization", "Bearer "+token)
	}
	return hr, nil
}

// into decodes JSON into value.
func into(value any) func(answer) error {
	return func(a answer) error { return json.Unmarshal(a.body, value) }
}

// Do sends a request to any endpoint of the API, such as GET /v1/reports/monthly?month=2026-03. in, unless it is nil, travels as
// JSON; the answer is decoded into out, or copied to it if it is an [io.Writer]. An answer that is not a success is a
// [*Problem]. Trouble that may pass is tried again: a write of the ledger carries an Idempotency-Key and so happens once.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	r := request{method: method, path: path}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		r.body = body
	}
	if method != http.MethodGet && method != http.MethodHead {
		r.key = uuid.NewString()
		for _, prefix := range []string{"/v1/auth/", "/v1/me", "/v1/devices", "/v1/tokens"} {
			r.once = r.once || strings.HasPrefix(path, prefix) // they know no keys: their answers hold secrets
		}
	}
	switch out := out.(type) {
	case nil:
	case io.Writer:
		r.once = true // a part of it may have been written
		r.stream = func(_ http.Header, body io.Reader) error {
			_, err := io.Copy(out, body)
			return err
		}
	default:
		r.decode = into(out)
	}
	return c.send(ctx, r)
}

// backoff returns how long to wait after so many failures in a row. Devices that lost the same server do not come back together.
func backoff(failures int) time.Duration {
	return jittered(min(firstDelay<<min(failures-1, 20), lastDelay))
}

// jittered returns a duration of d up to one and a half times that.
func jittered(d time.Duration) time.Duration {
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

// take waits for a turn, which give ends.
func take(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func give(turn chan struct{}) { <-turn }
