#pragma once

// compile only: net::socket_options tuned
