#pragma once

// compile only: net::tcp::connect.serve
