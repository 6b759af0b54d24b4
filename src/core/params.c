#include "core/params.h"

void dw_params_default(struct dw_params *ret_params)
{
    *ret_params = (struct dw_params){
#define X(field, def, floor, ceiling, why) .field = (def),
        DW_PARAM_LIST(X)
#undef X
    };
}

dw_err dw_params_set(struct dw_params *params, const struct dw_params *want, const char **ret_field)
{
    static const struct {
        uint32_t floor, ceiling;
        const char *name;
    } limits[] = {
#define X(field, def, floor, ceiling, why) {floor, ceiling, #field},
        DW_PARAM_LIST(X)
#undef X
    };
    const uint32_t values[] = {
#define X(field, def, floor, ceiling, why) want->field,
        DW_PARAM_LIST(X)
#undef X
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(values); i++) {
        if (values[i] < limits[i].floor || values[i] > limits[i].ceiling) {
            if (ret_field)
                *ret_field = limits[i].name;
            return dw_fail(DW_E_INVALID);
        }
    }
    *params = *want;
    return DW_OK;
}
