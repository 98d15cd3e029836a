package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/spool"
	"github.com/spendwise/spendwise/store"
)

const (
	// maxImport is the maximum size of the body of an import in bytes.
	maxImport = 32 << 20
	// maxMapping is the maximum size of the part "mapping" in bytes.
	maxMapping = 64 << 10
)

// importBody is the response to an import. It counts the lines of the file.
type importBody struct {
	Added   int           `json:"added"`
	Known   int           `json:"known"`   // imported earlier; may have been deleted since
	Ignored int           `json:"ignored"` // left out by the mapping
	Failed  []failureBody `json:"failed"`
	DryRun  bool          `json:"dry_run"`
}

// failureBody is one reason why a line was not imported.
type failureBody struct {
	Line   int     `json:"line"`
	Column *string `json:"column"` // null: the reason concerns the whole line
	Code   string  `json:"code"`
	Detail string  `json:"detail"`
}

func newImportBody(r statement.Result) importBody {
	body := importBody{
		Added: r.Added, Known: r.Known, Ignored: r.Ignored, Failed: make([]failureBody, len(r.Failed)), DryRun: r.DryRun,
	}
	for i, f := range r.Failed {
		reason := newFieldError(&expense.InvalidError{Code: f.Code, Detail: f.Detail})
		body.Failed[i] = failureBody{
			Line: f.Line, Column: textOrNull(f.Column), Code: reason.Code, Detail: reason.Detail,
		}
	}
	return body
}

// presetBody is a ready-made mapping.
type presetBody struct {
	Name    string            `json:"name"`
	Title   string            `json:"title"`
	Help    string            `json:"help"`
	Mapping statement.Mapping `json:"mapping"`
}

// listPresets handles GET /v1/imports/presets.
func (c *call) listPresets() error {
	presets := statement.Presets()
	body := page[presetBody]{Data: make([]presetBody, len(presets))}
	for i, p := range presets {
		body.Data[i] = presetBody{Name: p.Name, Title: p.Title, Help: p.Help, Mapping: p.Mapping}
	}
	return c.send(result{body: body})
}

// upload is the body of an import. The file is on disk, so that a slow client does not keep a ledger locked.
type upload struct {
	mapping statement.Mapping
	text    []byte // the mapping as it was sent
	file    *os.File
	sum     []byte // SHA-256 of the file
}

// importCSV handles POST /v1/imports/expenses.
func (c *call) importCSV() error {
	p := c.params()
	opts := statement.Options{Progress: func(statement.Result) { c.deadline.Extend() }}
	if dryRun := p.boolean("dry_run"); dryRun != nil {
		opts.DryRun = *dryRun
	}
	switch text, ok := p.given("on_error"); {
	case ok && text == "abort":
		opts.OnError = statement.Abort
	case ok && text != "skip":
		p.fail("on_error", "unknown_value", "The value %s of on_error is unknown; give skip or abort.",
			expense.QuoteText(text))
	}
	up, err := c.readUpload()
	if up.file != nil {
		defer up.discard(c)
	}
	if err != nil {
		return err
	}
	key := c.idempotencyKey()
	if err := c.errs.err(); err != nil {
		return err
	}
	idempotent, err := c.idempotentRequest(key, func() ([]byte, error) {
		mapping, err := canonical(up.text)()
		return append(mapping, up.sum...), err
	})
	if err != nil {
		return err
	}
	return c.runImport(up, opts, idempotent)
}

// runImport imports the file's rows in Updates of at most 1,000 rows. The last one stores the response to an idempotent
// request.
func (c *call) runImport(up upload, opts statement.Options, idempotent *idempotentRequest) error {
	var resp writeResponse
	var replayed bool
	if idempotent != nil {
		err := c.update(func(tx store.Tx) (err error) {
			resp, replayed, err = c.storedResponse(tx, idempotent)
			return err
		})
		if err != nil {
			return err
		}
		if replayed {
			return c.sendResponse(resp, true)
		}
	}
	opts.Finish = func(_ context.Context, tx store.Tx, done statement.Result) error {
		var err error
		// A concurrent repetition may have finished first: send its response.
		if resp, replayed, err = c.storedResponse(tx, idempotent); err != nil || replayed {
			return err
		}
		if resp, err = c.render(result{body: newImportBody(done)}); err != nil {
			return err
		}
		return c.storeResponse(tx, idempotent, resp)
	}
	done, err := statement.Import(c.ctx, callUpdater{c}, c.owner, c.env(), statement.Rows(up.file, up.mapping), opts)
	if !replayed {
		c.observeImport(done)
	}
	if err != nil {
		c.errs.add(importErrors(err)...)
		return cmp.Or(c.errs.err(), err)
	}
	if !replayed {
		c.raiseAlerts()
	}
	return c.sendResponse(resp, replayed)
}

// observeImport reports an import to the observer. An import that failed has added the batches before the failure.
func (c *call) observeImport(done statement.Result) {
	c.api.observe(ImportCompleted{
		Added: done.Added, Known: done.Known, Ignored: done.Ignored, Failed: done.FailedLines, DryRun: done.DryRun,
	})
	if done.Added > 0 && !done.DryRun {
		c.api.observe(ExpensesAdded{Source: SourceImport, Count: done.Added})
	}
}

// callUpdater is the [statement.Updater] of a call. It creates the caller's ledger if it does not exist yet.
type callUpdater struct{ c *call }

// Update runs fn in a transaction on the caller's ledger.
func (u callUpdater) Update(_ context.Context, _ expense.OwnerID, fn func(store.Tx) error) error {
	return u.c.update(fn)
}

// importErrors returns the field errors for the errors of a mapping, or of a mapping that does not fit the file. Their
// pointers lead into the parts of the multipart body.
func importErrors(err error) []fieldError {
	var errs []fieldError
	for _, invalid := range expense.InvalidErrors(err) {
		e := newFieldError(invalid)
		e.Pointer = "#/mapping"
		switch invalid.Field {
		case "":
		case "file":
			e.Pointer = "#/file"
		default:
			e.Pointer += "/" + invalid.Field
		}
		if e.Code == "malformed" || e.Code == "unknown_member" {
			e.problem = codeMalformed
		}
		errs = append(errs, e)
	}
	return errs
}

// readUpload reads the multipart body, which must have the part mapping, then the part file, and no other part.
func (c *call) readUpload() (upload, error) {
	media, attributes, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return upload{}, newProblem(codeUnsupportedMediaType,
			"The Content-Type %s is not that of an import; send multipart/form-data with the parts mapping and file.",
			expense.QuoteText(c.Request.Header.Get("Content-Type")))
	}
	if err := c.checkEncoding(); err != nil {
		return upload{}, err
	}
	if c.Request.ContentLength > maxImport {
		return upload{}, &http.MaxBytesError{Limit: maxImport}
	}
	body := ingress.NewBodyReader(http.MaxBytesReader(c.Writer, c.Request.Body, maxImport), c.Writer, c.deadline.Extend)
	defer body.Done()
	parts := multipart.NewReader(body, attributes["boundary"])

	part, err := nextPart(parts, "mapping")
	if err != nil {
		return upload{}, err
	}
	var up upload
	if up.text, err = io.ReadAll(io.LimitReader(part, maxMapping+1)); err != nil {
		return upload{}, readError(err)
	}
	if len(up.text) > maxMapping {
		return upload{}, &http.MaxBytesError{Limit: maxMapping}
	}
	up.mapping, err = statement.ParseMapping(up.text)
	c.errs.add(importErrors(err)...)
	if c.errs.count > 0 || err != nil {
		return upload{}, cmp.Or(c.errs.err(), err)
	}
	if part, err = nextPart(parts, "file"); err != nil {
		return upload{}, err
	}
	if up.file, err = spool.NewTempFile("import"); err != nil {
		return upload{}, fmt.Errorf("store the file: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(hash, up.file), part); err != nil {
		if _, disk := errors.AsType[*fs.PathError](err); disk {
			return up, fmt.Errorf("store the file: %w", err)
		}
		return up, readError(err)
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return up, misplacedPart(err, "The body has a part after the part file; send that last.")
	}
	if _, err := up.file.Seek(0, io.SeekStart); err != nil {
		return up, fmt.Errorf("read the file again: %w", err)
	}
	up.sum = hash.Sum(nil)
	return up, nil
}

// nextPart returns the next part of the body, which must have the name.
func nextPart(parts *multipart.Reader, name string) (*multipart.Part, error) {
	part, err := parts.NextRawPart()
	if err != nil || part.FormName() != name {
		return nil, misplacedPart(err, fmt.Sprintf(
			"The part %s is missing; send the part mapping first and then the part file.", name))
	}
	return part, nil
}

// misplacedPart returns a problem with the detail, or the error of a body that is too large.
func misplacedPart(err error, detail string) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return &problem{code: codeMalformed, detail: detail, cause: err}
}

// discard removes the file.
func (up upload) discard(c *call) {
	if err := spool.RemoveTempFile(up.file); err != nil {
		c.api.log.WarnContext(c.ctx, "an import's file was not removed", "error", strings.TrimSpace(err.Error()))
	}
}
