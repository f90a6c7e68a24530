#pragma once

#include <weft/core/logfmt_observer.hpp>
