// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Everything that tests of weft programs use: link `weft-test`.

#include <weft/testing/fault_plan.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/network.hpp>
#include <weft/testing/run.hpp>
#include <weft/testing/seeds.hpp>
#include <weft/testing/splits.hpp>
