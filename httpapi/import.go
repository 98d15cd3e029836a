package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/httpapi/internal/spool"
	"github.com/spendwise/spendwise/store"
)

const (
	// maxImport is the maximum size of the body of an import in bytes.
	maxImport = 32 << 20
	// maxMapping is the maximum size of the part "mapping" in bytes.
	maxMapping = 64 << 10
	// maxConcurrentImports is how many files are inspected or imported at the same time on one instance.
	maxConcurrentImports = 4
	// importRetryAfter is the Retry-After of a request that would exceed a limit of concurrent imports.
	importRetryAfter = 2 * time.Second

	importsPath = "/v1/imports"
)

// importNamespace is the UUID namespace of the ids of imports with an Idempotency-Key.
var importNamespace = uuid.MustParse("2b0c1f5e-8d7a-5c36-9f3b-4e1a6d2c7b90")

// inspectionBody is the response to an inspection.
type inspectionBody struct {
	Format     statement.Format  `json:"format"`
	Encoding   *string           `json:"encoding"`
	Delimiter  *string           `json:"delimiter"`
	HeaderLine int               `json:"header_line"`
	Source     *string           `json:"source"`
	Columns    []importColumn    `json:"columns"`
	Mapping    statement.Mapping `json:"mapping"`
	Questions  []questionBody    `json:"questions"`
	Rows       []importRow       `json:"rows"`
}

type importColumn struct {
	Name    string   `json:"name"`
	Samples []string `json:"samples"`
	Meaning *string  `json:"meaning"`
}

// questionBody is an ambiguity of a file.
type questionBody struct {
	Code    string       `json:"code"`
	Detail  string       `json:"detail"`
	Choices []choiceBody `json:"choices"`
}

type choiceBody struct {
	Label   string            `json:"label"`
	Mapping statement.Mapping `json:"mapping"`
}

// importRow is a row as the importer understands it.
type importRow struct {
	Line     int           `json:"line"`
	Status   string        `json:"status"`
	Date     *string       `json:"date"`
	Amount   *string       `json:"amount"`
	Currency *string       `json:"currency"`
	Category *string       `json:"category"` // null: the default category
	Notes    string        `json:"notes"`
	Reason   *string       `json:"reason"`
	Failures []failureBody `json:"failures"`
}

// failureBody is one reason why a row was not imported.
type failureBody struct {
	Line   int     `json:"line"`
	Column *string `json:"column"` // null: the reason concerns the whole row
	Code   string  `json:"code"`
	Detail string  `json:"detail"`
}

// importCounts counts the rows of a file by their result.
type importCounts struct {
	Added      int            `json:"added"`
	Known      int            `json:"known"` // imported earlier; may have been deleted since
	Ignored    []ignoredCount `json:"ignored"`
	FailedRows int            `json:"failed_rows"`
}

type ignoredCount struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// importResult is the response to an import.
type importResult struct {
	ID *string `json:"id"` // null: nothing was written
	importCounts
	Failed []failureBody `json:"failed"`
	Rows   []importRow   `json:"rows,omitzero"` // of a dry run
}

// importBody is an earlier import.
type importBody struct {
	ID        string            `json:"id"`
	Account   *string           `json:"account"`
	SHA256    string            `json:"sha256"` // of the file, in hexadecimal
	Mapping   statement.Mapping `json:"mapping"`
	CreatedAt time.Time         `json:"created_at"`
	importCounts
}

// undoBody is the response to DELETE of an import.
type undoBody struct {
	Removed int      `json:"removed"`
	Kept    []string `json:"kept"`
}

func newFailures(failures []statement.Failure) []failureBody {
	bodies := make([]failureBody, len(failures))
	for i, f := range failures {
		detail := problem.NewFieldError(&expense.InvalidError{Code: f.Code, Detail: f.Detail}).Detail
		bodies[i] = failureBody{Line: f.Line, Column: textOrNull(f.Column), Code: f.Code, Detail: detail}
	}
	return bodies
}

func newImportRows(rows []statement.Row) []importRow {
	bodies := make([]importRow, len(rows))
	for i, row := range rows {
		bodies[i] = importRow{
			Line: row.Line, Status: string(row.Status), Date: textOrNull(row.Date.String()),
			Category: textOrNull(row.Category), Notes: row.Notes, Reason: textOrNull(row.Reason),
			Failures: newFailures(row.Failures),
		}
		if !row.Amount.Currency().IsZero() {
			bodies[i].Amount, bodies[i].Currency = new(row.Amount.Amount()), new(row.Amount.Currency().Code())
		}
	}
	return bodies
}

func newImportCounts(r statement.Result) importCounts {
	counts := importCounts{Added: r.Added, Known: r.Known, Ignored: []ignoredCount{}, FailedRows: r.FailedRows}
	for _, reason := range slices.Sorted(maps.Keys(r.Ignored)) {
		counts.Ignored = append(counts.Ignored, ignoredCount{reason, r.Ignored[reason]})
	}
	return counts
}

func newQuestions(questions []statement.Question) []questionBody {
	bodies := make([]questionBody, len(questions))
	for i, q := range questions {
		bodies[i] = questionBody{Code: q.Code, Detail: q.Detail, Choices: make([]choiceBody, len(q.Choices))}
		for j, choice := range q.Choices {
			bodies[i].Choices[j] = choiceBody(choice)
		}
	}
	return bodies
}

func newImport(record statement.Record) importBody {
	return importBody{
		ID: record.ID.String(), Account: textOrNull(record.Mapping.Account), SHA256: hex.EncodeToString(record.Digest),
		Mapping: record.Mapping, CreatedAt: record.CreatedAt, importCounts: newImportCounts(record.Result),
	}
}

// inspectImport handles POST /v1/imports/inspect.
func (c *call) inspectImport() error {
	up, err := c.readUpload()
	if up.file != nil {
		defer up.discard(c)
	}
	if err != nil {
		return err
	}
	release, err := c.acquireImport()
	if err != nil {
		return err
	}
	defer release()
	var settings expense.Settings
	err = c.withLedger(func() (err error) {
		settings, err = c.api.store.Reader(c.owner).Settings(c.ctx)
		return err
	})
	if err != nil {
		return err
	}
	in, err := statement.Inspect(c.ctx, up.file, up.mapping, settings)
	if err != nil {
		return c.importProblem(err)
	}
	body := inspectionBody{
		Format: in.Format, Encoding: textOrNull(in.Encoding), Delimiter: textOrNull(in.Delimiter), HeaderLine: in.HeaderLine,
		Source: textOrNull(in.Source), Columns: make([]importColumn, len(in.Columns)), Mapping: in.Mapping,
		Questions: newQuestions(in.Questions), Rows: newImportRows(in.Rows),
	}
	for i, column := range in.Columns {
		body.Columns[i] = importColumn{
			Name: column.Name, Samples: column.Samples, Meaning: textOrNull(string(column.Meaning)),
		}
	}
	return c.send(result{body: body})
}

// postImport handles POST /v1/imports.
func (c *call) postImport() error {
	p := c.params()
	opts := statement.Options{Progress: func(statement.Progress) { c.deadline.Extend() }}
	if dryRun := p.boolean("dry_run"); dryRun != nil {
		opts.DryRun = *dryRun
	}
	if force := p.boolean("force"); force != nil {
		opts.Force = *force
	}
	switch text, ok := p.given("on_error"); {
	case ok && text == "abort":
		opts.Abort = true
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
	if err := c.errs.Err(); err != nil {
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

// runImport imports the file. The last Update stores the response to an idempotent request. An idempotent request that
// was interrupted has the same import id when it is repeated, so that it completes the import.
func (c *call) runImport(up upload, opts statement.Options, idempotent *idempotentRequest) error {
	return c.inImportSlot(idempotent, func() (resp writeResponse, replayed bool, err error) {
		if idempotent != nil {
			opts.ID = uuid.NewSHA1(importNamespace, fmt.Append(idempotent.fingerprint, idempotent.key))
		}
		opts.Finish = func(_ context.Context, tx store.Tx, done statement.Result) error {
			var err error
			// Another instance may have finished the same request first: send its response.
			if resp, replayed, err = c.storedResponse(tx, idempotent); err != nil || replayed {
				return err
			}
			res := result{body: importResult{importCounts: newImportCounts(done), Failed: newFailures(done.Failed)}}
			if body, ok := res.body.(importResult); ok && done.ID != uuid.Nil {
				body.ID = new(done.ID.String())
				res = result{status: http.StatusCreated, location: importsPath + "/" + done.ID.String(), body: body}
			} else if ok && opts.DryRun {
				body.Rows = newImportRows(done.Rows)
				res.body = body
			}
			if resp, err = c.render(res); err != nil {
				return err
			}
			return c.storeResponse(tx, idempotent, resp)
		}
		done, err := statement.Import(c.ctx, callStore{c}, c.owner, c.env(), up.file, up.mapping, opts)
		if !replayed {
			c.observeImport(done, opts.DryRun)
		}
		if err != nil {
			return resp, false, c.importProblem(err)
		}
		if !replayed {
			c.raiseAlerts()
		}
		return resp, replayed, nil
	})
}

// observeImport reports an import to the observer. An import that failed has added the batches before the failure.
func (c *call) observeImport(done statement.Result, dryRun bool) {
	ignored := 0
	for _, count := range done.Ignored {
		ignored += count
	}
	c.api.observe(ImportCompleted{
		Added: done.Added, Known: done.Known, Ignored: ignored, Failed: done.FailedRows, DryRun: dryRun,
	})
	if done.Added > 0 && !dryRun {
		c.api.observe(ExpensesAdded{Source: SourceImport, Count: done.Added})
	}
}

// listImports handles GET /v1/imports.
func (c *call) listImports() error {
	p := c.params()
	key, size := p.cursor("imports"), p.limit(defaultLimit, maxLimit)
	if err := p.err(); err != nil {
		return err
	}
	var records []statement.Record
	err := c.withLedger(func() error {
		return c.api.store.View(c.ctx, c.owner, func(r store.Reader) (err error) {
			if _, err := r.Settings(c.ctx); err != nil {
				return err
			}
			var after statement.Record
			if key != nil {
				if after, err = importAfter(key); err != nil {
					return err
				}
			}
			records, err = statement.Imports(c.ctx, r, after, size+1)
			return err
		})
	})
	if err != nil {
		return err
	}
	next := ""
	if len(records) > size {
		records = records[:size]
		last := records[size-1]
		next = encodeCursor("imports", fmt.Appendf(last.ID[:], "%d", last.CreatedAt.UnixMicro()))
	}
	data := make([]importBody, len(records))
	for i, record := range records {
		data[i] = newImport(record)
	}
	return sendPage(c, importsPath, data, next)
}

// importAfter returns the position that a cursor holds: the id and the time of an import.
func importAfter(key []byte) (statement.Record, error) {
	var micros int64
	if len(key) > 16 {
		if _, err := fmt.Sscan(string(key[16:]), &micros); err == nil {
			return statement.Record{ID: uuid.UUID(key[:16]), CreatedAt: time.UnixMicro(micros).UTC()}, nil
		}
	}
	return statement.Record{}, problem.New(problem.CodeCursorInvalid, "The cursor is malformed; start without a cursor.")
}

// getImport handles GET /v1/imports/{id}.
func (c *call) getImport() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var record statement.Record
	err = c.withLedger(func() (err error) {
		record, err = statement.FindImport(c.ctx, c.api.store.Reader(c.owner), id)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(result{body: newImport(record)})
}

// deleteImport handles DELETE /v1/imports/{id}. It undoes the import.
func (c *call) deleteImport() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	key := c.idempotencyKey()
	if err := c.errs.Err(); err != nil {
		return err
	}
	idempotent, err := c.idempotentRequest(key, canonical(nil))
	if err != nil {
		return err
	}
	return c.inImportSlot(idempotent, func() (resp writeResponse, replayed bool, err error) {
		undone, err := statement.Undo(c.ctx, callStore{c}, c.owner, c.env(), id)
		if err != nil {
			return resp, false, err
		}
		body := undoBody{Removed: undone.Removed, Kept: make([]string, len(undone.Kept))}
		for i, kept := range undone.Kept {
			body.Kept[i] = kept.String()
		}
		err = c.update(func(tx store.Tx) error {
			var err error
			if resp, replayed, err = c.storedResponse(tx, idempotent); err != nil || replayed {
				return err
			}
			if resp, err = c.render(result{body: body}); err != nil {
				return err
			}
			return c.storeResponse(tx, idempotent, resp)
		})
		return resp, replayed, err
	})
}

// inImportSlot runs fn within a slot for an import of the caller, and sends its response. It sends the stored response
// instead if the idempotent request has one.
func (c *call) inImportSlot(
	idempotent *idempotentRequest, fn func() (resp writeResponse, replayed bool, err error),
) error {
	release, err := c.acquireImport()
	if err != nil {
		return err
	}
	defer release()
	var resp writeResponse
	replayed := false
	if idempotent != nil {
		err = c.update(func(tx store.Tx) (err error) {
			resp, replayed, err = c.storedResponse(tx, idempotent)
			return err
		})
	}
	if err == nil && !replayed {
		resp, replayed, err = fn()
	}
	if err != nil {
		return err
	}
	return c.sendResponse(resp, replayed)
}

// importSlots limits the imports that run at the same time. It is safe for concurrent use.
type importSlots struct {
	mu    sync.Mutex
	users map[expense.OwnerID]bool
}

// acquireImport reserves a slot for the caller's import. It returns a problem if the caller has an import that runs, or
// if maxConcurrentImports run.
func (c *call) acquireImport() (release func(), err error) {
	slots := &c.api.imports
	slots.mu.Lock()
	defer slots.mu.Unlock()
	busy := &problem.Problem{Code: problem.CodeRateLimited, RetryAfter: importRetryAfter}
	switch {
	case slots.users[c.owner]:
		busy.Detail = "Another import of yours is running; wait until it has finished."
		return nil, busy
	case len(slots.users) >= maxConcurrentImports:
		busy.Detail = "The server runs too many imports at the moment; wait for the seconds in the Retry-After header."
		return nil, busy
	}
	if slots.users == nil {
		slots.users = map[expense.OwnerID]bool{}
	}
	slots.users[c.owner] = true
	return func() {
		slots.mu.Lock()
		defer slots.mu.Unlock()
		delete(slots.users, c.owner)
	}, nil
}

// callStore is the [statement.Store] of a call. It creates the caller's ledger if it does not exist yet.
type callStore struct{ c *call }

// View runs fn with a snapshot of the caller's ledger.
func (s callStore) View(_ context.Context, _ expense.OwnerID, fn func(store.Reader) error) error {
	return s.c.view(fn)
}

// Update runs fn in a transaction on the caller's ledger.
func (s callStore) Update(_ context.Context, _ expense.OwnerID, fn func(store.Tx) error) error {
	return s.c.update(fn)
}

// importProblem returns the problem of a mapping, of a file, or of a mapping that does not fit the file. The pointers
// of its field errors lead into the parts of the multipart body.
func (c *call) importProblem(err error) error {
	if open, ok := errors.AsType[*statement.OpenQuestionError](err); ok {
		return &problem.Problem{
			Code: problem.CodeMappingIncomplete, Questions: newQuestions(open.Questions),
			Detail: "The file is ambiguous; merge the mapping of one choice of each question into the mapping, " +
				"and repeat the request.",
		}
	}
	for _, invalid := range expense.InvalidErrors(err) {
		e := problem.NewFieldError(invalid)
		e.Pointer = "#/mapping"
		switch invalid.Field {
		case "":
		case "file":
			e.Pointer = "#/file"
		default:
			e.Pointer += "/" + invalid.Field
		}
		if e.Code == "malformed" || e.Code == "unknown_member" {
			e.Problem = problem.CodeMalformed
		}
		c.errs.Add(e)
	}
	return cmp.Or(c.errs.Err(), err)
}

// upload is the body of an import. The file is on disk, so that a slow client does not keep a slot or a ledger.
type upload struct {
	mapping statement.Mapping
	text    []byte // the mapping as it was sent
	file    *os.File
	sum     []byte // SHA-256 of the file
}

// readUpload reads the multipart body. It must have the part file, and can have the part mapping.
func (c *call) readUpload() (upload, error) {
	media, attributes, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return upload{}, problem.New(problem.CodeUnsupportedMediaType,
			"The Content-Type %s is not that of an import; send multipart/form-data with the part file.",
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
	var up upload
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return up, malformedParts(err)
		}
		switch name := part.FormName(); {
		case name == "mapping" && up.text == nil:
			if err := up.readMapping(c, part); err != nil {
				return up, err
			}
		case name == "file" && up.file == nil:
			if err := up.readFile(part); err != nil {
				return up, err
			}
		default:
			return up, problem.New(problem.CodeMalformed,
				"The part %s is unknown or repeated; send the part file and optionally the part mapping, once each.",
				expense.QuoteText(name))
		}
	}
	if up.file == nil {
		return up, problem.New(problem.CodeMalformed, "The part file is missing; send the file in it.")
	}
	return up, nil
}

func (up *upload) readMapping(c *call, part io.Reader) error {
	var err error
	if up.text, err = io.ReadAll(io.LimitReader(part, maxMapping+1)); err != nil {
		return readError(err)
	}
	if len(up.text) > maxMapping {
		return &http.MaxBytesError{Limit: maxMapping}
	}
	if up.mapping, err = statement.ParseMapping(up.text); err != nil {
		return c.importProblem(err)
	}
	return nil
}

func (up *upload) readFile(part io.Reader) error {
	var err error
	if up.file, err = spool.NewTempFile("import"); err != nil {
		return fmt.Errorf("store the file: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(hash, up.file), part); err != nil {
		if _, disk := errors.AsType[*fs.PathError](err); disk {
			return fmt.Errorf("store the file: %w", err)
		}
		return readError(err)
	}
	if _, err := up.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the file again: %w", err)
	}
	up.sum = hash.Sum(nil)
	return nil
}

// malformedParts returns the problem of a multipart body that cannot be read.
func malformedParts(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return &problem.Problem{
		Code: problem.CodeMalformed, Detail: "The body is not complete multipart/form-data; send the whole body.",
		Cause: err,
	}
}

// discard removes the file.
func (up upload) discard(c *call) {
	if err := spool.RemoveTempFile(up.file); err != nil {
		c.api.log.WarnContext(c.ctx, "an import's file was not removed", "error", strings.TrimSpace(err.Error()))
	}
}
