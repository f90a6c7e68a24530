#pragma once

// compile only: tls::certificate::from_file
// compile only: tls::private_key::from_file
// compile only: tls::identity::from_files
