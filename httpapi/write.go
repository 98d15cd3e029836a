package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/jsonbody"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// A result describes the response to a write.
type result struct {
	status   int             // 0: 200 OK
	version  expense.Version // for the ETag header; 0: no header
	location string          // path for the Location header; "": no header
	body     any             // encoded as JSON; nil: no body
	events   []Event         // reported after the commit
}

// An idempotentRequest identifies a request with an Idempotency-Key, which runs at most once.
type idempotentRequest struct {
	key         store.IdempotencyKey
	fingerprint []byte
}

// idempotencyKey returns the Idempotency-Key, or "" without the header. It adds the error of a malformed one to those
// of the call.
func (c *call) idempotencyKey() string {
	key, err := ingress.IdempotencyKey(c.Request.Header)
	if err != nil {
		c.errs.Add(problem.FieldError{
			Header: "Idempotency-Key", Code: "malformed_key", Problem: problem.CodeMalformed,
			Detail: fmt.Sprintf("The Idempotency-Key %s is malformed; give 1 to 255 letters, digits and . _ : - in one header "+
				"line.", expense.QuoteText(strings.Join(c.Request.Header.Values("Idempotency-Key"), ", "))),
		})
	}
	return key
}

// idempotentRequest returns the key and the fingerprint of a request with an Idempotency-Key, or nil without one.
// content returns the body in its canonical form.
func (c *call) idempotentRequest(key string, content func() ([]byte, error)) (*idempotentRequest, error) {
	if key == "" {
		return nil, nil //nolint:nilnil // no key is no error
	}
	body, err := content()
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	// The length before each part makes the input of the hash unambiguous.
	for _, part := range []string{c.Request.Method, c.Request.URL.Path, c.query.Encode(), string(body)} {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part) // a hash never returns an error
	}
	return &idempotentRequest{key: store.IdempotencyKey{Scope: c.route, Key: key}, fingerprint: hash.Sum(nil)}, nil
}

// canonical returns a function that returns the canonical form of a JSON text (RFC 8785).
func canonical(raw []byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(raw) == 0 {
			return nil, nil
		}
		value := jsontext.Value(bytes.Clone(raw))
		if err := value.Canonicalize(); err != nil {
			return nil, jsonbody.Malformed(err)
		}
		return value, nil
	}
}

// A writeFunc changes the ledger in a transaction and returns the result for the client.
type writeFunc func(ctx context.Context, tx store.Tx) (result, error)

// write runs fn in an Update of the caller's ledger and sends the result. raw is the body of the request. With an
// Idempotency-Key, fn runs only if the key is new, and the response is stored in the same transaction. If the call has
// field errors, write adds those that fn returns, sends them all and changes nothing.
func (c *call) write(raw []byte, fn writeFunc) error {
	request, err := c.idempotentRequest(c.idempotencyKey(), canonical(raw))
	if err != nil {
		return c.errs.With(err)
	}
	return c.writeOnce(request, func(ctx context.Context, tx store.Tx) (result, error) {
		res, err := fn(ctx, tx)
		return res, c.errs.With(err)
	})
}

// create handles a POST that creates a resource from the body.
func create[In any](c *call, fn func(ctx context.Context, tx store.Tx, in In) (result, error)) error {
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	return c.write(doc.raw, func(ctx context.Context, tx store.Tx) (result, error) {
		res, err := fn(ctx, tx, doc.value)
		return res, problem.ConflictIfGone(err)
	})
}

// createdResult returns 201 with the URL of a new resource. If created is false, the resource already existed with the
// same content, and the status is 200.
func createdResult(created bool, path string, id uuid.UUID, version expense.Version, body any) result {
	res := result{version: version, body: body}
	if created {
		res.status, res.location = http.StatusCreated, path+"/"+id.String()
	}
	return res
}

// change handles a request that changes the resource in the path as the body says.
func change[In any](
	c *call,
	fn func(ctx context.Context, tx store.Tx, id uuid.UUID, in In, cond expense.Precondition) (result, error),
) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	cond := c.condition()
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	return c.write(doc.raw, func(ctx context.Context, tx store.Tx) (result, error) {
		return fn(ctx, tx, id, doc.value, cond)
	})
}

// remove handles a DELETE of the resource in the path.
func (c *call) remove(
	fn func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error,
) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	cond := c.condition()
	return c.write(nil, func(ctx context.Context, tx store.Tx) (result, error) {
		return result{status: http.StatusNoContent}, fn(ctx, tx, id, cond)
	})
}

// writeOnce runs fn in an Update and sends its result. If the ledger has a stored response to the request, writeOnce
// replays it and does not run fn. request is nil without an Idempotency-Key.
func (c *call) writeOnce(request *idempotentRequest, fn writeFunc) error {
	var resp writeResponse
	var replayed bool
	var events []Event
	err := c.update(func(tx store.Tx) error {
		var err error
		if resp, replayed, err = c.storedResponse(tx, request); err != nil || replayed {
			return err
		}
		res, err := fn(c.ctx, tx)
		if err != nil {
			return err
		}
		events = res.events
		if resp, err = c.render(res); err != nil {
			return err
		}
		return c.storeResponse(tx, request, resp)
	})
	if err != nil {
		return err
	}
	if !replayed {
		for _, event := range events {
			c.api.observe(event)
		}
		c.raiseAlerts()
	}
	return c.sendResponse(resp, replayed)
}

// A writeResponse is the response to a write. The payload of an idempotency record encodes it.
type writeResponse struct {
	Status   int    `json:"status"`
	ETag     string `json:"etag,omitzero"`
	Location string `json:"location,omitzero"`
	body     []byte // JSON, or empty
}

// encode returns a line of JSON with the members of r, followed by the body.
func (r writeResponse) encode() ([]byte, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the response to store: %w", err)
	}
	return slices.Concat(head, []byte{'\n'}, r.body), nil
}

func decodeResponse(payload []byte) (r writeResponse, err error) {
	head, body, _ := bytes.Cut(payload, []byte{'\n'})
	if err := json.Unmarshal(head, &r); err != nil {
		return writeResponse{}, fmt.Errorf("decode a stored response: %w", err)
	}
	r.body = body
	return r, nil
}

// storedResponse returns the stored response to a request and whether there is one. It returns a problem if another
// request has used the key.
func (c *call) storedResponse(tx store.Tx, request *idempotentRequest) (writeResponse, bool, error) {
	if request == nil {
		return writeResponse{}, false, nil
	}
	record, err := tx.IdempotencyRecord(c.ctx, request.key)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return writeResponse{}, false, nil
	case err != nil:
		return writeResponse{}, false, err
	case !bytes.Equal(record.Fingerprint, request.fingerprint):
		return writeResponse{}, false, problem.ForField(problem.FieldError{
			Header: "Idempotency-Key", Code: problem.CodeKeyReused, Problem: problem.CodeKeyReused,
			Detail: fmt.Sprintf("Another request has used the Idempotency-Key %s; use a new key for a new request.",
				expense.QuoteText(request.key.Key)),
		})
	}
	resp, err := decodeResponse(record.Payload)
	return resp, err == nil, err
}

// storeResponse stores the response to a request in the transaction of its write. It does nothing if request is nil.
func (c *call) storeResponse(tx store.Tx, request *idempotentRequest, resp writeResponse) error {
	if request == nil {
		return nil
	}
	payload, err := resp.encode()
	if err != nil {
		return err
	}
	return tx.PutIdempotencyRecord(c.ctx, store.IdempotencyRecord{
		IdempotencyKey: request.key, Fingerprint: request.fingerprint, Payload: payload, CreatedAt: expense.Timestamp(c.now),
	})
}

// update runs fn in an Update of the caller's ledger. It creates the ledger first if the caller has none. If fn returns
// a *recurrence.BacklogError, because too many occurrences of a rule are due for one transaction, update posts them in
// separate Updates and runs fn again.
func (c *call) update(fn func(store.Tx) error) error {
	for {
		err := c.updateOnce(fn)
		backlog, ok := errors.AsType[*recurrence.BacklogError](err)
		if !ok {
			return err
		}
		version, err := jobs.CatchUp(c.ctx, c.api.store, c.owner, c.env(), backlog)
		if err != nil {
			return err
		}
		c.catchUp = catchUp{from: backlog.Version, to: version}
	}
}

// catchUp holds the versions of a rule before and after update posted its backlog. Both are 0 if nothing was posted or
// if another request has changed the rule in between.
type catchUp struct{ from, to expense.Version }

// adjust replaces the version before the catch-up in a precondition by the version after it: the request itself caused
// that change.
func (c catchUp) adjust(cond expense.Precondition) expense.Precondition {
	if c.to != 0 && slices.Contains(cond.Versions, c.from) {
		cond.Versions = []expense.Version{c.to}
	}
	return cond
}

// updateOnce runs fn in one Update. It creates the ledger first if the caller has none.
func (c *call) updateOnce(fn func(store.Tx) error) error {
	for {
		ran := false
		err := c.api.store.Update(c.ctx, c.owner, func(tx store.Tx) error {
			ran = true
			if err := fn(tx); err != nil {
				return err
			}
			var err error
			c.hasBudgets, err = tx.HasBudgets(c.ctx)
			return err
		})
		if ran || !errors.Is(err, expense.ErrNotFound) {
			if err == nil && !c.api.watched {
				c.api.streams.wake(c.owner)
			}
			return err
		}
		if err := c.createLedger(); err != nil {
			return err
		}
	}
}

// withLedger runs read. If read returns ErrNotFound, withLedger creates the ledger if the caller has none, and runs
// read again.
func (c *call) withLedger(read func() error) error {
	err := read()
	if !errors.Is(err, expense.ErrNotFound) {
		return err
	}
	// If the ledger existed before, read returns ErrNotFound again.
	if err := c.createLedger(); err != nil {
		return err
	}
	return read()
}

// createLedger creates the caller's ledger with the default settings. It does nothing if the ledger exists.
func (c *call) createLedger() error {
	created, err := c.api.store.CreateLedger(c.ctx, c.owner, expense.NewInitialLedger(c.owner, c.api.settings, c.now))
	if err != nil || !created || c.api.accounts == nil {
		return err
	}
	// Another instance may have erased the account while this instance still has its session in the cache. Erasing an
	// account deletes its ledger once more at the end, so one check after the creation is enough.
	erased, err := c.api.accounts.IsErased(c.ctx, c.identity)
	if err != nil || !erased {
		return err
	}
	if err := c.api.store.EraseLedger(c.ctx, c.owner); err != nil {
		return err
	}
	return auth.ErrUnauthenticated
}

// render encodes a result.
func (c *call) render(res result) (writeResponse, error) {
	resp := writeResponse{Status: cmp.Or(res.status, http.StatusOK)}
	if res.version != 0 {
		resp.ETag = etag(res.version)
	}
	if res.location != "" {
		resp.Location = c.api.url(res.location)
	}
	if res.body != nil {
		var err error
		if resp.body, err = json.Marshal(res.body); err != nil {
			return writeResponse{}, fmt.Errorf("encode the response: %w", err)
		}
	}
	return resp, nil
}

// send sends a result outside a transaction.
func (c *call) send(res result) error {
	resp, err := c.render(res)
	if err != nil {
		return err
	}
	return c.sendResponse(resp, false)
}

func (c *call) sendResponse(resp writeResponse, replayed bool) error {
	header := c.Writer.Header()
	if resp.ETag != "" {
		header.Set("ETag", resp.ETag)
	}
	if resp.Location != "" {
		header.Set("Location", resp.Location)
	}
	if replayed {
		header.Set("Idempotency-Replayed", "true")
	}
	if len(resp.body) > 0 {
		header.Set("Content-Type", mediaJSON)
		header.Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	c.Writer.WriteHeader(resp.Status)
	if len(resp.body) == 0 {
		return nil
	}
	_, err := c.Writer.Write(resp.body)
	return err
}

// get sends a resource, or 304 if If-None-Match lists its version.
func (c *call) get(version expense.Version, body any) error {
	same, err := notModified(c.Request.Header, version)
	switch {
	case err != nil:
		return err
	case same:
		return c.send(result{status: http.StatusNotModified, version: version})
	}
	return c.send(result{version: version, body: body})
}
