#pragma once

// sketch: tls::error::truncated
