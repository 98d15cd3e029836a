package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

const (
	// maxPushBytes limits the mutations in one push. The server accepts bodies of 1 MiB.
	maxPushBytes = 900 << 10
	// maxReissues is the maximum number of decisions of the conflict handler about the same change. After that, the
	// conflict waits for ResolveConflict.
	maxReissues = 5
)

// body returns the JSON form of m.
func (m Mutation) body() wire.Mutation {
	body := wire.Mutation{
		MutationID: m.ID, Type: string(m.Key.Type), Op: string(m.Op), ID: m.Key.ID, Data: m.Data,
	}
	if m.BaseVersion != 0 {
		body.BaseVersion = &m.BaseVersion
	}
	if m.BaseMutation != "" {
		body.BaseMutation = &m.BaseMutation
	}
	return body
}

// pushResponse is the JSON form of the response to a push.
type pushResponse struct {
	Results []MutationResult `json:"results"`
}

// Push sends the queue in order until it is empty. If an earlier request got no response, Push sends its mutations
// again unchanged, and the server applies them once. Push passes conflicts and rejections to the handlers given to
// [New]. [Client.Conflicts] lists the conflicts without a decision, and [Client.Rejections] the rejections that have
// not been dismissed.
func (c *Client) Push(ctx context.Context) error {
	return c.syncLock.locked(ctx, c.push)
}

func (c *Client) push(ctx context.Context) error {
	size := c.batchSize
	for restarts := 0; ; {
		at, batch, err := c.nextBatch(ctx, size)
		if err != nil || len(batch) == 0 {
			return err
		}
		if at.incomplete() {
			// Complete the local copy first. Its cursor states to which history the base versions in the push belong.
			if err := c.pull(ctx); err != nil {
				return err
			}
			if restarts++; restarts > maxRestarts {
				return errors.New("push: the server has replaced the ledger's history too often; try again later")
			}
			continue
		}
		results, err := c.sendBatch(ctx, at, batch)
		p, isProblem := errors.AsType[*Problem](err)
		switch {
		case err == nil:
			if err := c.applyResults(ctx, batch, results); err != nil {
				return err
			}
			size = c.batchSize
		case cursorExpired(err):
			if err := c.restartPull(ctx, at); err != nil {
				return err
			}
		case isProblem && rejectsBody(p) && len(batch) > 1:
			size = len(batch) / 2 // find the invalid mutation, so that it does not block the others
		case isProblem && rejectsBody(p):
			result := MutationResult{MutationID: batch[0].ID, Status: "rejected", Problem: p}
			if err := c.applyResults(ctx, batch, []MutationResult{result}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("push: %w", err)
		}
	}
}

// rejectsBody reports whether the problem lies in the content of the push.
func rejectsBody(p *Problem) bool {
	switch p.Status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return p.Code != "" && p.Code != "cursor_invalid"
	}
	return false
}

// nextBatch returns the mutations to send next and marks them as sent, after which they never change.
func (c *Client) nextBatch(ctx context.Context, size int) (at feedPosition, batch []Mutation, err error) {
	err = c.storage.Update(ctx, func(tx Tx) error {
		if at, err = readPosition(ctx, tx); err != nil {
			return err
		}
		queue, err := tx.Mutations(ctx, MutationQuery{States: []State{Queued, Sent}, Limit: size})
		if batch = queue; err != nil || at.incomplete() {
			return err
		}
		batch = nil
		total := 0
		var newlySent []Mutation
		for _, m := range queue {
			if total += len(m.Data) + 512; total > maxPushBytes && len(batch) > 0 {
				break
			}
			if m.State == Queued {
				m.State = Sent
				newlySent = append(newlySent, m)
			}
			batch = append(batch, m)
		}
		return tx.PutMutations(ctx, newlySent...)
	})
	return at, batch, err
}

func (c *Client) sendBatch(ctx context.Context, at feedPosition, batch []Mutation) ([]MutationResult, error) {
	var in struct {
		Cursor    string          `json:"cursor,omitempty"`
		Mutations []wire.Mutation `json:"mutations"`
	}
	in.Cursor = at.Cursor
	for _, m := range batch {
		in.Mutations = append(in.Mutations, m.body())
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var out pushResponse
	err = c.send(ctx, request{method: http.MethodPost, path: "/v1/sync", body: body, decode: func(r response) error {
		out = pushResponse{}
		if err := decodeJSON(&out)(r); err != nil {
			return err
		}
		if len(out.Results) != len(batch) {
			return fmt.Errorf("the response has %d results for %d mutations", len(out.Results), len(batch))
		}
		for i, result := range out.Results {
			if result.MutationID != batch[i].ID || result.Status == "" {
				return fmt.Errorf("result %d of the response is for mutation %q instead of %s", i, result.MutationID, batch[i].ID)
			}
		}
		return nil
	}})
	return out.Results, err
}

// An outcome is the state of a mutation after its result.
type outcome struct {
	mutation Mutation
	decision Decision // set for conflicts
}

// applyResults asks the conflict handler for decisions and then stores the outcomes of a batch in one Update. After a
// crash before the Update, the server replays its results and the handler is asked again.
func (c *Client) applyResults(ctx context.Context, batch []Mutation, results []MutationResult) error {
	outcomes := make([]outcome, len(batch))
	for i, m := range batch {
		m.Result = &results[i]
		o := outcome{mutation: m}
		switch status := m.Result.Status; {
		case status == "conflict":
			o.mutation.State = Conflicted
			switch {
			case m.Predicted:
				o.decision = KeepServer()
			case c.onConflict != nil && m.Reissues < maxReissues:
				o.decision = c.onConflict(ctx, Conflict{o.mutation})
			}
		case m.Predicted && (status == "rejected" || m.Result.Problem != nil):
			// The server posts this occurrence by itself or reports why it cannot.
			o.mutation.State, o.decision = Conflicted, KeepServer()
		case status == "rejected" || m.Result.Problem != nil:
			o.mutation.State = Rejected
		default: // applied, merged, unchanged
			o.mutation.State = Acknowledged
		}
		outcomes[i] = o
	}
	err := c.storage.Update(ctx, func(tx Tx) error {
		for _, o := range outcomes {
			if err := c.storeOutcome(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the results of a push: %w", err)
	}
	if c.onRejected != nil {
		for _, o := range outcomes {
			if o.mutation.State == Rejected {
				c.onRejected(ctx, Rejection{o.mutation})
			}
		}
	}
	return nil
}

// storeOutcome stores the outcome of one mutation, unless another process has stored one already.
func (c *Client) storeOutcome(ctx context.Context, tx Tx, o outcome) error {
	m := o.mutation
	queued, err := tx.Mutations(ctx, MutationQuery{Key: m.Key})
	if err != nil {
		return err
	}
	sent := false
	for _, q := range queued {
		sent = sent || q.ID == m.ID && q.State == Sent
	}
	switch {
	case !sent:
		return nil
	case m.State == Conflicted:
		return c.applyDecision(ctx, tx, queued, m, o.decision)
	}
	return tx.PutMutations(ctx, m)
}

// reissue queues a mutation again in its old place, with a new id and based on version. It changes the base of unsent
// mutations from the old id to the new one.
func (c *Client) reissue(ctx context.Context, tx Tx, queued []Mutation, m Mutation, version expense.Version) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	old := m.ID
	m.ID, m.State, m.Result = id.String(), Queued, nil
	m.Reissues++
	m.BaseVersion, m.BaseMutation = version, ""
	if m.Op == Delete {
		m.BaseVersion = 0
	}
	for _, q := range queued {
		// If several mutations of a row are reissued, each is based on the one before it.
		if q.State == Queued && q.Reissues > 0 && q.Seq < m.Seq && m.Op != Delete && q.Op != Delete {
			m.BaseVersion, m.BaseMutation = 0, q.ID
		}
		if q.State == Queued && q.BaseMutation == old {
			q.BaseMutation = m.ID
			if err := tx.PutMutations(ctx, q); err != nil {
				return err
			}
		}
	}
	return errors.Join(tx.DeleteMutations(ctx, old), tx.PutMutations(ctx, m))
}
