#pragma once

// compile only: http::client client;
