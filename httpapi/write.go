package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// maxKey is how many characters an Idempotency-Key has at most.
const maxIdempotencyKey = 255

// A result is what a write is answered with.
type result struct {
	status   int
	version  expense.Version // its ETag; 0: none
	location string          // below the base URL; "": none
	body     any             // nil: none
	events   []Event         // what to tell once it is committed
}

// An idempotentRequest is a request with an Idempotency-Key: it is carried out at most once.
type idempotentRequest struct {
	key         store.IdempotencyKey
	fingerprint []byte
}

// idempotentRequest returns the key and the fingerprint of a request with an Idempotency-Key, or nil without one. content returns
// the body in its canonical form.
func (c *call) idempotentRequest(content func() ([]byte, error)) (*idempotentRequest, error) {
	key, err := idempotencyKey(c.Request.Header)
	if err != nil || key == "" {
		return nil, err
	}
	body, err := content()
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	// Each part is preceded by its length, so that no two requests read the same.
	for _, part := range []string{c.Request.Method, c.Request.URL.Path, c.query.Encode(), string(body)} {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part) // a hash takes every byte
	}
	return &idempotentRequest{key: store.IdempotencyKey{Scope: c.route, Key: key}, fingerprint: hash.Sum(nil)}, nil
}

// canonical returns the canonical form (RFC 8785) of a JSON text, in which equal documents are equal texts.
func canonical(raw []byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(raw) == 0 {
			return nil, nil
		}
		value := jsontext.Value(bytes.Clone(raw))
		if err := value.Canonicalize(); err != nil {
			return nil, malformedJSON(err)
		}
		return value, nil
	}
}

// idempotencyKey reads the header of that name, quoted or bare; "" without one.
func idempotencyKey(header http.Header) (string, error) {
	lines := header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key := lines[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	if len(lines) > 1 || !isToken(key, maxIdempotencyKey) {
		return "", newFieldProblem(codeMalformed, fieldError{
			Header: "Idempotency-Key", Code: "malformed_key",
			Detail: "A key is one header line of 1 to 255 letters, digits and . _ : - characters.",
		})
	}
	return key, nil
}

// isToken reports whether text has 1 to most characters of [A-Za-z0-9._:-].
func isToken(text string, most int) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return len(text) >= 1 && len(text) <= most
}

// write does a change of the caller's ledger and answers it. With an Idempotency-Key, fn runs only if the key is new: the
// answer is rendered and kept in the transaction of the change it tells of. faults are those of the request's shape; with
// any, nothing is changed.
func (c *call) write(raw []byte, faults []fieldError, fn func(ctx context.Context, tx store.Tx) (result, error)) error {
	promise, err := c.idempotentRequest(canonical(raw))
	if err != nil {
		return err
	}
	return c.writeOnce(promise, func(ctx context.Context, tx store.Tx) (result, error) {
		res, err := fn(ctx, tx)
		return res, mergeFieldErrors(faults, err)
	})
}

// create answers a POST that makes a resource of what the body says. An id that was deleted is a conflict: the caller wanted to
// make the resource, not to find it.
func create[In any](c *call, fn func(ctx context.Context, tx store.Tx, in In) (result, error)) error {
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	return c.write(doc.raw, doc.fieldErrors, func(ctx context.Context, tx store.Tx) (result, error) {
		res, err := fn(ctx, tx, doc.value)
		return res, conflictIfGone(err)
	})
}

// made is the answer to a creation: 201 that says where the resource is, or 200 if it was there already with the same content.
func createdResult(created bool, path string, id uuid.UUID, version expense.Version, body any) result {
	res := result{status: http.StatusOK, version: version, body: body}
	if created {
		res.status, res.location = http.StatusCreated, path+"/"+id.String()
	}
	return res
}

// creating tells of an id that was deleted as a conflict.
func conflictIfGone(err error) error {
	if errors.Is(err, expense.ErrGone) {
		return &problem{code: codeGone, detail: "The id belonged to a resource that was deleted; choose a new one.", cause: err}
	}
	return err
}

// target is the resource in the path, and what the request's preconditions ask of it.
func (c *call) target() (id uuid.UUID, cond expense.Precondition, err error) {
	if id, err = c.id(); err == nil {
		cond, err = condition(c.Request.Header)
	}
	return id, cond, err
}

// change answers a request that changes the resource in the path as the body says.
func change[In any](c *call, fn func(ctx context.Context, tx store.Tx, id uuid.UUID, in In, cond expense.Precondition) (result, error)) error {
	id, cond, err := c.target()
	if err != nil {
		return err
	}
	doc, err := read[In](c)
	if err != nil {
		return err
	}
	return c.write(doc.raw, doc.fieldErrors, func(ctx context.Context, tx store.Tx) (result, error) {
		return fn(ctx, tx, id, doc.value, cond)
	})
}

// remove answers a DELETE of the resource in the path.
func (c *call) remove(fn func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error) error {
	id, cond, err := c.target()
	if err != nil {
		return err
	}
	return c.write(nil, nil, func(ctx context.Context, tx store.Tx) (result, error) {
		return result{status: http.StatusNoContent}, fn(ctx, tx, id, cond)
	})
}

// writeOnce runs fn in an Update, unless the ledger has a stored response to the request, and sends the response. A nil request
// always runs fn.
func (c *call) writeOnce(request *idempotentRequest, fn func(ctx context.Context, tx store.Tx) (result, error)) error {
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

// A writeResponse is what the client of a write receives, and what the payload of an idempotency record encodes.
type writeResponse struct {
	Status   int    `json:"status"`
	ETag     string `json:"etag,omitzero"`
	Location string `json:"location,omitzero"`
	body     []byte // JSON, or empty
}

// encode returns r as a line of JSON without the body, then the body as it is sent.
func (r writeResponse) encode() ([]byte, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a stored response: %w", err)
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

// storedResponse returns the response that the ledger has stored for a request, and whether it has one. A key that another request
// used is a problem.
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
		return writeResponse{}, false, newFieldProblem(codeKeyReused, fieldError{
			Header: "Idempotency-Key", Code: codeKeyReused, Detail: "The key was used for another request.",
		})
	}
	resp, err := decodeResponse(record.Payload)
	return resp, err == nil, err
}

// storeResponse stores the response to a request in the transaction of its write; a nil request stores nothing.
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

// update runs fn in an Update of the caller's ledger, which is made first if the caller has none yet. Where fn wants to change a
// rule of which too much is due to be posted along the way, that is posted first, in Updates of their own.
func (c *call) update(fn func(store.Tx) error) error {
	for {
		err := c.updateOnce(fn)
		behind, ok := errors.AsType[*recurrence.BacklogError](err)
		if !ok {
			return err
		}
		version, err := jobs.CatchUp(c.ctx, c.api.store, c.owner, c.env(), behind)
		if err != nil {
			return err
		}
		c.catchUp = catchUp{from: behind.Version, to: version}
	}
}

// caughtUp is what posting the backlog of a rule made of its version, where nobody else has written it meanwhile.
type catchUp struct{ from, to expense.Version }

// since returns the precondition as it is to be understood after the posting: what was posted on the way is the request's own doing.
func (c catchUp) adjust(cond expense.Precondition) expense.Precondition {
	if c.to != 0 && slices.Contains(cond.Versions, c.from) {
		cond.Versions = []expense.Version{c.to}
	}
	return cond
}

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

// withLedger runs a reading that says ErrNotFound where there is no ledger, and again after making one.
func (c *call) withLedger(read func() error) error {
	err := read()
	if !errors.Is(err, expense.ErrNotFound) {
		return err
	}
	// Whether this call or a twin of it made the ledger, it is there now; where it was there before, the reading says so again.
	if err := c.createLedger(); err != nil {
		return err
	}
	return read()
}

// createLedger makes the ledger of an owner not seen before, with the default settings.
func (c *call) createLedger() error {
	created, err := c.api.store.CreateLedger(c.ctx, c.owner, expense.NewInitialLedger(c.owner, c.api.settings, c.now))
	if err != nil || !created || c.api.accounts == nil {
		return err
	}
	// A session that is still cached may be that of an account which was erased elsewhere. Whoever erases one looks for its
	// ledger once more at the end, so that looking for the account after making the ledger leaves no gap.
	erased, err := c.api.accounts.IsErased(c.ctx, c.identity)
	if err != nil || !erased {
		return err
	}
	if err := c.api.store.EraseLedger(c.ctx, c.owner); err != nil {
		return err
	}
	return auth.ErrUnauthenticated
}

// render encodes a result as it is sent and stored.
func (c *call) render(res result) (writeResponse, error) {
	resp := writeResponse{Status: res.status}
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

// send answers at once with a result that no transaction guards.
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

// get answers with one resource, or with 304 if the client has this version already.
func (c *call) get(version expense.Version, body any) error {
	same, err := notModified(c.Request.Header, version)
	switch {
	case err != nil:
		return err
	case same:
		return c.send(result{status: http.StatusNotModified, version: version})
	}
	return c.send(result{status: http.StatusOK, version: version, body: body})
}
