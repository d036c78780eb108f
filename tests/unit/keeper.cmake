# SPDX-License-Identifier: Apache-2.0
brownout_unit_test(test_sys_caps LIBS sys)
brownout_unit_test(test_sys_cgroup LIBS sys)
brownout_unit_test(test_sys_fdpass LIBS sys)
brownout_unit_test(test_sys_process LIBS sys)
brownout_unit_test(test_sys_rtnl LIBS sys)
brownout_unit_test(test_lab_stub LIBS lab)
brownout_unit_test(test_lab_sweep LIBS lab)
