package replica

// Admit is the decision about a patch on a base version, for tests.
var Admit = admit
