package httpapi

import (
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
	"github.com/spendwise/spendwise/store"
)

const (
	// maxImport is how many bytes an import has at most.
	maxImport = 32 << 20
	// maxMapping is how many of them the mapping may be.
	maxMapping = 64 << 10
)

// importBody says what became of a file's lines.
type importBody struct {
	Added   int           `json:"added"`
	Known   int           `json:"known"`
	Ignored int           `json:"ignored"`
	Failed  []failureBody `json:"failed"`
	DryRun  bool          `json:"dry_run"`
}

// failureBody is one reason why a line did not go in.
type failureBody struct {
	Line   int     `json:"line"`
	Column *string `json:"column"`
	Code   string  `json:"code"`
	Detail string  `json:"detail"`
}

func newImportBody(r statement.Result) importBody {
	body := importBody{
		Added: r.Added, Known: r.Known, Ignored: r.Ignored, Failed: make([]failureBody, len(r.Failed)), DryRun: r.DryRun,
	}
	for i, f := range r.Failed {
		body.Failed[i] = failureBody{Line: f.Line, Column: textOrNull(f.Column), Code: f.Code, Detail: f.Detail}
	}
	return body
}

// presetBody is a mapping that the caller need not write.
type presetBody struct {
	Name    string            `json:"name"`
	Title   string            `json:"title"`
	Help    string            `json:"help"`
	Mapping statement.Mapping `json:"mapping"`
}

// listPresets answers GET /v1/imports/presets.
func (c *call) listPresets() error {
	presets := statement.Presets()
	body := page[presetBody]{Data: make([]presetBody, len(presets))}
	for i, p := range presets {
		body.Data[i] = presetBody{Name: p.Name, Title: p.Title, Help: p.Help, Mapping: p.Mapping}
	}
	return c.send(result{status: http.StatusOK, body: body})
}

// An upload is the body of an import: how to read the file, and the file, kept on disk so that no client's slowness holds a ledger.
type upload struct {
	mapping statement.Mapping
	text    []byte // of the mapping, as it was sent
	file    *os.File
	sum     []byte // SHA-256 of the file
}

// importCSV answers POST /v1/imports/expenses.
func (c *call) importCSV() error {
	p := params{values: c.query}
	opts := statement.Options{Progress: func(statement.Result) { c.extendDeadline() }}
	if dryRun := p.boolean("dry_run"); dryRun != nil {
		opts.DryRun = *dryRun
	}
	switch text, ok := p.given("on_error"); {
	case ok && text == "abort":
		opts.OnError = statement.Abort
	case ok && text != "skip":
		p.fail("on_error", "unknown_value", "This is skip or abort.")
	}
	if err := p.err(); err != nil {
		return err
	}
	up, err := c.receive()
	if up.file != nil {
		defer up.discard(c)
	}
	if err != nil {
		return err
	}
	promise, err := c.idempotentRequest(func() ([]byte, error) {
		mapping, err := canonical(up.text)()
		return append(mapping, up.sum...), err
	})
	if err != nil {
		return err
	}
	return c.runImport(up, opts, promise)
}

// runImport imports the file's rows in Updates of at most 1,000 rows. The last one stores the response to an idempotent request.
func (c *call) runImport(up upload, opts statement.Options, promise *idempotentRequest) error {
	var resp writeResponse
	var replayed bool
	if promise != nil {
		err := c.update(func(tx store.Tx) (err error) {
			resp, replayed, err = c.storedResponse(tx, promise)
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
		if resp, replayed, err = c.storedResponse(tx, promise); err != nil || replayed {
			return err
		}
		if resp, err = c.render(result{status: http.StatusOK, body: newImportBody(done)}); err != nil {
			return err
		}
		return c.storeResponse(tx, promise, resp)
	}
	done, err := statement.Import(c.ctx, callUpdater{c}, c.owner, c.env(), statement.Rows(up.file, up.mapping), opts)
	if !replayed {
		c.observeImport(done)
	}
	if err != nil {
		return importFault(err)
	}
	if !replayed {
		c.raiseAlerts()
	}
	return c.sendResponse(resp, replayed)
}

// observeImport tells what an import did, also where it broke off: the batches before are in the ledger.
func (c *call) observeImport(done statement.Result) {
	c.api.observe(ImportCompleted{Added: done.Added, Existing: done.Known, Skipped: done.Ignored, Failed: done.FailedLines, DryRun: done.DryRun})
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

// importFault tells faults of the mapping, or of how it fits the file, with their places in the multipart body.
func importFault(err error) error {
	broken := expense.InvalidErrors(err)
	if len(broken) == 0 {
		return err
	}
	code, faults := codeValidation, make([]fieldError, len(broken))
	for i, b := range broken {
		pointer := "#/mapping"
		switch b.Field {
		case "":
		case "file":
			pointer = "#/file"
		default:
			pointer += "/" + b.Field
		}
		if b.Code == "malformed" || b.Code == "unknown_member" {
			code = codeMalformed
		}
		faults[i] = fieldError{Pointer: pointer, Code: b.Code, Detail: b.Detail}
	}
	return newFieldProblem(code, faults...)
}

// receive reads the multipart body: the mapping first, then the file, and nothing else.
func (c *call) receive() (upload, error) {
	media, attributes, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return upload{}, newProblem(codeUnsupportedMediaType, "An import is multipart/form-data with the parts mapping and file.")
	}
	if err := c.checkEncoding(); err != nil {
		return upload{}, err
	}
	if c.Request.ContentLength > maxImport {
		return upload{}, &http.MaxBytesError{Limit: maxImport}
	}
	body := ingress.NewBodyReader(http.MaxBytesReader(c.Writer, c.Request.Body, maxImport), c.Writer, c.extendDeadline)
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
	if up.mapping, err = statement.ParseMapping(up.text); err != nil {
		return upload{}, importFault(err)
	}
	if part, err = nextPart(parts, "file"); err != nil {
		return upload{}, err
	}
	if up.file, err = newScratch("import"); err != nil {
		return upload{}, fmt.Errorf("keep the file: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(hash, up.file), part); err != nil {
		if _, onDisk := errors.AsType[*fs.PathError](err); onDisk {
			return up, fmt.Errorf("keep the file: %w", err)
		}
		return up, readError(err)
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return up, misplacedPart(err, "Nothing may follow the part file.")
	}
	if _, err := up.file.Seek(0, io.SeekStart); err != nil {
		return up, fmt.Errorf("read the file again: %w", err)
	}
	up.sum = hash.Sum(nil)
	return up, nil
}

// nextPart returns the next part of the body, which has to be the one of that name.
func nextPart(parts *multipart.Reader, name string) (*multipart.Part, error) {
	part, err := parts.NextRawPart()
	if err != nil || part.FormName() != name {
		return nil, misplacedPart(err, fmt.Sprintf("The part %s is missing here: mapping comes first, then file.", name))
	}
	return part, nil
}

func misplacedPart(err error, detail string) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return &problem{code: codeMalformed, detail: detail, cause: err}
}

// discard removes the kept file.
func (up upload) discard(c *call) {
	if err := dropScratch(up.file); err != nil {
		c.api.log.WarnContext(c.ctx, "an import's file was not removed", "error", strings.TrimSpace(err.Error()))
	}
}
