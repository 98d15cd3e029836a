package client

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/export/wire"
)

// Category is a category of the local copy. Version is 0 until the server has acknowledged the category.
type Category struct {
	wire.Category

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

// CategoryDraft is a new category, or one that replaces the category with its ID. If another category of the ledger
// already has the name, the server returns that category and creates no new one.
type CategoryDraft struct {
	ID       uuid.UUID `json:"-"`
	Name     string    `json:"name"`
	Colour   string    `json:"colour,omitzero"`
	Icon     string    `json:"icon,omitzero"`
	Archived bool      `json:"archived,omitzero"`
}

func (d CategoryDraft) change() (Type, Op) { return CategoryType, Put }
func (d CategoryDraft) rowID() uuid.UUID   { return d.ID }

// CategoryPatch changes members of a category.
type CategoryPatch wire.CategoryPatch

func (p CategoryPatch) change() (Type, Op) { return CategoryType, Patch }

// Categories returns the table of the ledger's categories.
func (c *Client) Categories() Table[Category, CategoryDraft, CategoryPatch] {
	return Table[Category, CategoryDraft, CategoryPatch]{c, CategoryType}
}
