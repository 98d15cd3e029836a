package wire

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Category is the JSON form of a category.
type Category struct {
	ID        uuid.UUID       `json:"id"`
	Name      string          `json:"name"`
	Colour    *string         `json:"colour"` // #rrggbb; null: none
	Icon      *string         `json:"icon"`   // null: none
	Archived  bool            `json:"archived"`
	Version   expense.Version `json:"version"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
}

// NewCategory returns the JSON form of c.
func NewCategory(c expense.Category) Category {
	return Category{
		ID: c.ID, Name: c.Name, Colour: orNull(c.Colour), Icon: orNull(c.Icon), Archived: c.Archived,
		Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
}

// Parse returns the category that w describes. The error is ErrInvalid and lists every member that cannot be read.
// Parse does not validate the category; see [expense.Category.Validate].
func (w Category) Parse() (expense.Category, error) {
	var p parser
	c := expense.Category{
		ID: w.ID, Name: w.Name, Colour: orZero(w.Colour), Icon: orZero(w.Icon), Archived: w.Archived, Version: w.Version,
		CreatedAt: p.instant("created_at", &w.CreatedAt), UpdatedAt: p.instant("updated_at", &w.UpdatedAt),
	}
	return c, p.errs.Err()
}

// CategoryInput is the JSON form of a category that is created. A member that is absent or null has its default.
type CategoryInput struct {
	ID       *string `json:"id" validate:"omitnil,min=1"`    // default: a new UUID
	Name     *string `json:"name" validate:"required,min=1"` // required
	Colour   *string `json:"colour"`
	Icon     *string `json:"icon"`
	Archived *bool   `json:"archived"`
}

// RequestedID returns the id that the request gives, or nil.
func (in CategoryInput) RequestedID() *string { return in.ID }

// Draft returns the draft that in describes.
func (in CategoryInput) Draft() expense.CategoryDraft {
	return expense.CategoryDraft{
		ID: orZero(in.ID), Name: orZero(in.Name), Colour: in.Colour, Icon: in.Icon, Archived: in.Archived,
	}
}

// CategoryPatch is a merge patch of a category.
type CategoryPatch struct {
	Name     Optional[string] `json:"name,omitzero" patch:"nonempty"`
	Colour   Optional[string] `json:"colour,omitzero" patch:"nullable"`
	Icon     Optional[string] `json:"icon,omitzero" patch:"nullable"`
	Archived Optional[bool]   `json:"archived,omitzero"`
}

// Patch returns the patch that in describes.
func (in CategoryPatch) Patch() expense.CategoryPatch {
	return expense.CategoryPatch{
		Name: in.Name.Pointer(), Colour: in.Colour.Pointer(), Icon: in.Icon.Pointer(), Archived: in.Archived.Pointer(),
	}
}
