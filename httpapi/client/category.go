package client

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Category is a category as the API tells it.
type Category struct {
	ID        uuid.UUID       `json:"id"`
	Name      string          `json:"name"`
	Colour    string          `json:"colour"`
	Icon      string          `json:"icon"`
	Archived  bool            `json:"archived"`
	Version   expense.Version `json:"version"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Unsent    bool            `json:"$unsent"`
}

// A CategoryDraft is a new category, or one in place of another. If its name is taken, the two become one.
type CategoryDraft struct {
	ID       uuid.UUID `json:"-"`
	Name     string    `json:"name"`
	Colour   string    `json:"colour,omitzero"`
	Icon     string    `json:"icon,omitzero"`
	Archived bool      `json:"archived,omitzero"`
}

func (d CategoryDraft) change() (Type, Op) { return CategoryType, Put }
func (d CategoryDraft) rowID() uuid.UUID   { return d.ID }

// A CategoryPatch changes members of a category.
type CategoryPatch struct {
	Name     Optional[string] `json:"name,omitzero"`
	Colour   Optional[string] `json:"colour,omitzero"`
	Icon     Optional[string] `json:"icon,omitzero"`
	Archived Optional[bool]   `json:"archived,omitzero"`
}

func (p CategoryPatch) change() (Type, Op) { return CategoryType, Patch }

// Categories are the ledger's categories.
func (c *Client) Categories() Table[Category, CategoryDraft, CategoryPatch] {
	return Table[Category, CategoryDraft, CategoryPatch]{c, CategoryType}
}
