# SPDX-License-Identifier: Apache-2.0
brownout_unit_test(test_base_units LIBS base)
brownout_unit_test(test_base_wake LIBS sys)
brownout_unit_test(test_base_support LIBS base)
brownout_unit_test(test_model_hist LIBS model base)
brownout_unit_test(test_model_plan LIBS model base)
