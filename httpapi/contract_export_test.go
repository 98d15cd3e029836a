package httpapi

import (
	"reflect"

	"github.com/spendwise/spendwise/export/wire"
)

// WireTypes returns the Go types of the bodies by the names of their schemas in openapi.yaml. The types within them are
// not listed.
func WireTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Health": reflect.TypeFor[healthBody](), "Readiness": reflect.TypeFor[readyBody](),
		"Problem": reflect.TypeFor[problemBody](),

		"Settings": reflect.TypeFor[wire.Settings](), "SettingsPatch": reflect.TypeFor[wire.SettingsPatch](),
		"CategoryInput": reflect.TypeFor[wire.CategoryInput](), "CategoryPatch": reflect.TypeFor[wire.CategoryPatch](),
		"CategoryPage": reflect.TypeFor[page[wire.Category]](), "MergeRequest": reflect.TypeFor[mergeInput](),
		"MergeResult":  reflect.TypeFor[mergeBody](),
		"ExpenseInput": reflect.TypeFor[wire.ExpenseInput](), "ExpensePatch": reflect.TypeFor[wire.ExpensePatch](),
		"ExpensePage": reflect.TypeFor[page[wire.Expense]](),
		"BudgetInput": reflect.TypeFor[wire.BudgetInput](), "BudgetPatch": reflect.TypeFor[wire.BudgetPatch](),
		"BudgetPage": reflect.TypeFor[page[wire.Budget]](), "BudgetProgress": reflect.TypeFor[wire.Progress](),
		"BudgetHistory": reflect.TypeFor[historyBody](), "BudgetAlertPage": reflect.TypeFor[page[wire.Alert]](),
		"BudgetAlertPatch": reflect.TypeFor[wire.AlertPatch](),
		"RuleInput":        reflect.TypeFor[wire.RuleInput](), "RulePatch": reflect.TypeFor[wire.RulePatch](),
		"RulePage": reflect.TypeFor[page[wire.Rule]](), "SkipRequest": reflect.TypeFor[skipInput](),
		"OccurrencePreview": reflect.TypeFor[previewBody](),

		"MonthlyReport": reflect.TypeFor[wire.Monthly](), "YearlyReport": reflect.TypeFor[wire.Yearly](),
		"RangeReport": reflect.TypeFor[wire.Summary](), "Trend": reflect.TypeFor[wire.Trend](),
		"ExchangeRate": reflect.TypeFor[rateBody](),
		"Inspection":   reflect.TypeFor[inspectionBody](), "ImportPage": reflect.TypeFor[page[importBody]](),
		"ImportResult": reflect.TypeFor[importResult](), "UndoResult": reflect.TypeFor[undoBody](),

		"SyncPage": reflect.TypeFor[syncPage](), "SyncDigest": reflect.TypeFor[digestBody](),
		"PushRequest": reflect.TypeFor[pushInput](), "Mutation": reflect.TypeFor[wire.Mutation](),
		"PushResponse": reflect.TypeFor[pushBody](), "MutationResult": reflect.TypeFor[mutationResult](),

		"RegisterRequest": reflect.TypeFor[registerInput](), "LoginRequest": reflect.TypeFor[loginInput](),
		"RefreshRequest": reflect.TypeFor[refreshInput](), "Session": reflect.TypeFor[sessionBody](),
		"AccountPatch": reflect.TypeFor[mePatch](), "PasswordChange": reflect.TypeFor[passwordInput](),
		"EraseRequest": reflect.TypeFor[eraseInput](), "DevicePage": reflect.TypeFor[page[deviceBody]](),
		"TokenInput": reflect.TypeFor[tokenInput](), "TokenPage": reflect.TypeFor[page[tokenBody]](),
	}
}
