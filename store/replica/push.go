package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

// MaxMutations is the largest number of mutations in a push.
const MaxMutations = 100

// A PushRequest holds the changes of a device.
type PushRequest struct {
	// Cursor is the cursor of the device's last pull, or the zero Cursor. If it has expired, Push applies nothing.
	Cursor Cursor
	// Mutations are the changes in the order in which the device made them, at most MaxMutations.
	Mutations []Mutation
	// Encode returns the response to a mutation, which is stored with its result. Result.Response holds it, also if the
	// result is replayed. Encode runs inside the transaction and may be called more than once. If Encode is nil, no
	// response is stored.
	Encode func(Result) ([]byte, error)
}

// A Mutation is a change of one row that a device made.
type Mutation struct {
	// ID is the idempotency key of the mutation. It is unique in the ledger and follows the rules of
	// [store.IdempotencyKey]; it is not empty.
	ID string
	// Fingerprint is a hash of the bytes in which the device sent the mutation, 1 to 64 bytes. The caller chooses the
	// hash. Push rejects a mutation whose ID is stored with another fingerprint.
	Fingerprint []byte
	Row         RowRef // may be zero only if Err is set
	Change      Edit   // one of the types for rows of Row's type, not a pointer to one; may be nil only if Err is set
	// Err says why the mutation could not be decoded; nil if it could. Push rejects the mutation and stores the result. If
	// Err is an [expense.ErrUnavailable], Push fails and stores nothing. If Row and Change are set, Change holds the part
	// that could be decoded. Result.Err then also wraps the field errors of that part, which [expense.InvalidErrors]
	// returns.
	Err error

	// BaseVersion is the version of the row on which the user made the change, at least 0. Keep the version that the user
	// saw, even if a pull brings a newer one. If BaseVersion is 0 and BaseMutation is empty, a put only adds the row, and
	// a patch applies to any version.
	BaseVersion expense.Version
	// BaseMutation is the ID of an earlier mutation of the same row by the same device. Set either BaseMutation or
	// BaseVersion. If the earlier mutation was applied, the base is the row as it left it, without the changes of others
	// that it was merged with. If it was not applied or is unknown, guarded fields conflict.
	BaseMutation string
}

// A Status is the outcome of a mutation.
type Status uint8

// The statuses of mutations.
const (
	Applied   Status = iota + 1 // applied as sent
	Merged                      // applied together with changes of other devices or the server, or with another category
	Unchanged                   // not needed: the row already had this content
	Conflict                    // not applied: it contradicts a change that arrived first, see Result
	Rejected                    // not applied: it is not valid, and sending it again fails again
)

// String returns the name of the status, such as "applied".
func (s Status) String() string {
	switch s {
	case Applied:
		return "applied"
	case Merged:
		return "merged"
	case Unchanged:
		return "unchanged"
	case Conflict:
		return "conflict"
	case Rejected:
		return "rejected"
	default:
		return ""
	}
}

// A Result is the result of a mutation. After a Conflict the user decides. To apply the change in spite of it, push it
// with a new ID and with Version as its BaseVersion.
type Result struct {
	MutationID string
	Status     Status
	// Version is the version of Row, or of the tombstone after a delete. It is 0 if Push knows neither, for example for
	// the delete of a row that does not exist, and for an ErrGone.
	Version expense.Version
	// Row is the row as it is now: a value, not a pointer, as in [store.Change]. It is nil after a delete, and if Push did
	// not read the row, for example because the mutation is malformed. A nil Row does not mean that the row was deleted.
	Row      any
	Err      error  // why the status is Conflict or Rejected
	Response []byte // what PushRequest.Encode returned
	// Replayed reports that the result was stored before. Row and Err are then nil. Encode them into Response to have
	// them again.
	Replayed bool
}

// ErrMutationIDReused reports a mutation whose ID belongs to a mutation with other content.
var ErrMutationIDReused = errors.New("the mutation id belongs to another mutation")

// A BatchLimitError reports that the mutations of a push would post more than [recurrence.MaxBatch] recurring expenses
// in one Update, because they change rules with due occurrences. Apply the first mutations in an Update of their own,
// and then all mutations in another one, which replays the first.
type BatchLimitError struct {
	Mutations int // how many of the first mutations fit into one Update; at least 1
}

func (e *BatchLimitError) Error() string {
	return fmt.Sprintf("only the first %d mutations fit into one update", e.Mutations)
}

// Push applies the mutations of a device to owner's ledger, in order, and returns a result for each. A mutation is
// applied whole or not at all. A mutation that fails does not stop the others.
//
// All mutations are applied in one Update, so the rows that they change have the same version. Only a push that changes
// rules with many due occurrences takes several Updates. The results of the earlier ones are then replayed.
//
// Push returns [ErrCursorInvalid] or a [CursorExpiredError] for the request's cursor, an [expense.InvalidError] for
// more than MaxMutations mutations or one that breaks the documented rules of its fields, and
// [expense.ErrNotFound] if owner has no ledger. Nothing is applied then. It also returns errors of the
// store, such as [expense.ErrUnavailable]. They are not results of a mutation: send the same push again.
func Push(
	ctx context.Context, st store.Store, owner expense.OwnerID, env expense.Env, req PushRequest,
) ([]Result, error) {
	if err := req.validate(); err != nil {
		return nil, err
	}
	part := req
	for {
		var results []Result
		err := st.Update(ctx, owner, func(tx store.Tx) (err error) {
			results, err = part.apply(ctx, tx, owner, env)
			return err
		})
		limit, exceeded := errors.AsType[*BatchLimitError](err)
		backlog, hasBacklog := errors.AsType[*recurrence.BacklogError](err)
		switch {
		case exceeded:
			part.Mutations = req.Mutations[:limit.Mutations]
		case hasBacklog:
			if _, err := jobs.CatchUp(ctx, st, owner, env, backlog); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		case len(part.Mutations) < len(req.Mutations):
			part = req
		default:
			return results, nil
		}
	}
}

// Apply is [Push] inside an Update that the caller runs. It also returns a [BatchLimitError] if the mutations do not
// fit into one Update, and a [recurrence.BacklogError] if the due occurrences of a rule have to be posted first. After
// any error the Update must fail.
func Apply(
	ctx context.Context, tx store.Tx, owner expense.OwnerID, env expense.Env, req PushRequest,
) ([]Result, error) {
	if err := req.validate(); err != nil {
		return nil, err
	}
	return req.apply(ctx, tx, owner, env)
}

func (req PushRequest) apply(
	ctx context.Context, tx store.Tx, owner expense.OwnerID, env expense.Env,
) ([]Result, error) {
	state, err := stateOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	if req.Cursor != (Cursor{}) {
		if err := req.Cursor.check(owner, state); err != nil {
			return nil, err
		}
	}
	if err := req.prefetch(ctx, tx); err != nil {
		return nil, err
	}
	p := &push{tx: &trackedTx{Reader: tx, tx: tx}, env: env, state: state, encode: req.Encode}
	results := make([]Result, len(req.Mutations))
	for i, m := range req.Mutations {
		recorded := p.recorded
		results[i], err = p.mutation(ctx, m)
		_, hasBacklog := errors.AsType[*recurrence.BacklogError](err)
		if recorded > 0 && (hasBacklog || p.posted > recurrence.MaxBatch) {
			return nil, &BatchLimitError{Mutations: i}
		}
		if err != nil {
			return nil, fmt.Errorf("mutation %s: %w", m.ID, err)
		}
	}
	return results, nil
}

// prefetch reads the stored results and the expenses of all mutations at once, if the store can do so.
func (req PushRequest) prefetch(ctx context.Context, tx store.Tx) error {
	prefetcher, ok := tx.(store.Prefetcher)
	if !ok {
		return nil
	}
	var keys []store.IdempotencyKey
	var expenses []uuid.UUID
	for _, m := range req.Mutations {
		keys = append(keys, recordKey(m.ID))
		if m.BaseMutation != "" {
			keys = append(keys, recordKey(m.BaseMutation))
		}
		if m.Row.Type == store.ExpenseRow {
			expenses = append(expenses, m.Row.ID)
		}
	}
	if err := prefetcher.Prefetch(ctx, keys, expenses); err != nil {
		return fmt.Errorf("prefetch: %w", err)
	}
	return nil
}

// validate returns an InvalidError if the request breaks the documented rules of its fields.
func (req PushRequest) validate() error {
	if len(req.Mutations) > MaxMutations {
		return &expense.InvalidError{
			Field: "mutations", Code: "too_many",
			Detail: fmt.Sprintf("%d mutations; a push has at most %d", len(req.Mutations), MaxMutations),
		}
	}
	for _, m := range req.Mutations {
		if rule := m.brokenRule(); rule != "" {
			return &expense.InvalidError{
				Field: "mutations", Code: "malformed", Detail: fmt.Sprintf("mutation %q: %s", m.ID, rule),
			}
		}
	}
	return nil
}

// brokenRule returns a rule that m breaks, or "".
func (m Mutation) brokenRule() string {
	switch {
	case m.ID == "" || recordKey(m.ID).Validate() != nil || recordKey(m.BaseMutation).Validate() != nil:
		return "an ID and a BaseMutation have at most 255 bytes of UTF-8 without control characters; an ID is not empty"
	case len(m.Fingerprint) < 1 || len(m.Fingerprint) > 64:
		return "a Fingerprint has 1 to 64 bytes"
	case m.BaseVersion < 0:
		return "BaseVersion must be at least 0"
	case m.BaseVersion != 0 && m.BaseMutation != "":
		return "set either BaseVersion or BaseMutation"
	case m.Err != nil && m.Row == (RowRef{}):
		return ""
	case m.Row.Type.String() == "" || (m.Row.Type == store.SettingsRow) != (m.Row.ID == uuid.Nil):
		return "Row needs a Type and, except for the settings, an ID"
	case (m.Err == nil || m.Change != nil) && changedType(m.Change, m.Row.Type) != m.Row.Type:
		return fmt.Sprintf("an Edit of type %T does not apply to a row of type %s", m.Change, m.Row.Type)
	}
	return ""
}

// A push is the state of one call of Apply.
type push struct {
	tx       *trackedTx // of the current mutation
	env      expense.Env
	state    store.State // before the first mutation
	encode   func(Result) ([]byte, error)
	recorded int // results that this call has stored
	posted   int // recurring expenses that this call has posted before it changed their rules
}

// mutation applies m and stores its result, or replays the stored result.
func (p *push) mutation(ctx context.Context, m Mutation) (Result, error) {
	stored, err := p.record(ctx, m.ID)
	switch {
	case err == nil && bytes.Equal(stored.fingerprint, m.Fingerprint):
		return Result{
			MutationID: m.ID, Status: stored.status, Version: stored.version, Response: stored.response, Replayed: true,
		}, nil
	case err == nil:
		return p.encoded(Result{MutationID: m.ID, Status: Rejected, Err: ErrMutationIDReused})
	case !errors.Is(err, expense.ErrNotFound):
		return Result{}, err
	case errors.Is(m.Err, expense.ErrUnavailable):
		return Result{}, m.Err
	}
	var done outcome
	p.tx.wrote, p.tx.expenses = false, 0
	base, err := p.base(ctx, m)
	switch {
	case err != nil && !errors.Is(err, expense.ErrInvalid):
		return Result{}, err
	case err != nil || m.Err != nil:
		invalid, failure := p.check(ctx, m, base)
		if failure != nil {
			return Result{}, failure
		}
		err = errors.Join(m.Err, err, invalid)
	default:
		done, err = m.Change.apply(ctx, p, m.Row, base)
		if m.Row.Type == store.RuleRow {
			p.posted += p.tx.expenses
		}
	}
	switch {
	case err == nil:
	case m.Err == nil && !isFinal(err):
		return Result{}, err
	case p.tx.wrote:
		// This is a bug in the use case: it must check everything before it writes.
		return Result{}, fmt.Errorf("failed after a partial write: %v", err) //nolint:errorlint // it is not a result
	}
	status := done.status
	if err == nil {
		base = base.after(done, isPatch(m.Change), p.state.Version+1)
	} else {
		status = failureStatus(err)
		if base == (baseVersion{}) {
			base = unknownBase
		}
	}
	result, err := p.encoded(Result{MutationID: m.ID, Status: status, Version: done.version, Row: done.row, Err: err})
	if err != nil {
		return Result{}, err
	}
	p.recorded++
	return result, p.putRecord(ctx, m, record{
		status: status, version: done.version, row: m.Row, base: base, response: result.Response,
	})
}

// check returns the field errors of a mutation that will be rejected, so that the user can correct them together with
// the other errors of the mutation. It writes nothing. failure is an error of the store.
func (p *push) check(ctx context.Context, m Mutation, base baseVersion) (invalid, failure error) {
	if m.Row == (RowRef{}) || m.Change == nil {
		return nil, nil
	}
	p.tx.readOnly = true
	defer func() { p.tx.readOnly = false }()
	_, err := m.Change.apply(ctx, p, m.Row, base)
	_, hasBacklog := errors.AsType[*recurrence.BacklogError](err)
	switch {
	case errors.Is(err, expense.ErrInvalid):
		return err, nil
	case err == nil, errors.Is(err, errReadOnly), hasBacklog, isFinal(err): // no field errors
		return nil, nil
	}
	return nil, err
}

// encoded returns the result with its response.
func (p *push) encoded(result Result) (Result, error) {
	if p.encode == nil {
		return result, nil
	}
	var err error
	if result.Response, err = p.encode(result); err != nil {
		return Result{}, fmt.Errorf("encode the result: %w", err)
	}
	return result, nil
}

// isFinal reports whether err concerns the mutation itself, so that sending it again would fail again.
func isFinal(err error) bool {
	return !errors.Is(err, expense.ErrUnavailable) &&
		(isConflict(err) || errors.Is(err, expense.ErrInvalid) || errors.Is(err, expense.ErrNotFound))
}

func failureStatus(err error) Status {
	if isConflict(err) && !errors.Is(err, expense.ErrInvalid) {
		return Conflict
	}
	return Rejected
}

// isConflict reports whether err is about the state of the ledger, so that the user has to decide.
func isConflict(err error) bool {
	for _, kind := range []error{ErrConflict, expense.ErrExists, expense.ErrGone, expense.ErrStale, expense.ErrInUse} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
