#pragma once

// throws: throw failure(failure_kind::timeout
