# SPDX-License-Identifier: Apache-2.0
brownout_unit_test(test_harness_batch LIBS harness)
brownout_unit_test(test_harness_ready LIBS harness)
brownout_unit_test(test_harness_keeper_client LIBS harness)
