package replica

// PatchStatus is patchStatus for tests.
var PatchStatus = patchStatus
