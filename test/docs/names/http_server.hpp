#pragma once

// throws: throw failure(failure_kind::invalid_input
