package replica

// PatchStatus is RowRef.patchStatus for tests.
var PatchStatus = RowRef{}.patchStatus
